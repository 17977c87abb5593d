// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a request of random bytes costs a program, by the generator that openssl.cnf gives it:
 *
 *	rand_bench	prints "count SIZE THREADS INSTRUCTIONS"
 *
 * The processor's time stamp counter counts instructions where QEMU runs with -icount shift=0;
 * a loop of known length shows whether it does. An interrupt or a reseed may hit any request,
 * so the median is what counts; of several threads, which begin once each has its generator,
 * the largest one.
 */
#include <err.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/rand.h>

#define SAMPLES		301
#define LOOPS		500
#define MAX_THREADS	4
#define SIZES		3

static const int sizes[SIZES] = { 16, 1024, 16384 };

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	int size;
	uint64_t median;
};

static inline uint64_t now(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t median(uint64_t *samples)
{
	qsort(samples, SAMPLES, sizeof(*samples), compare);
	return samples[SAMPLES / 2];
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t samples[SAMPLES], begin;
	unsigned char *out = malloc(w->size);
	int i;

	if (!out || RAND_bytes(out, w->size) != 1)
		errx(1, "no random bytes");
	pthread_barrier_wait(w->start);
	for (i = 0; i < SAMPLES; i++) {
		begin = now();
		if (RAND_bytes(out, w->size) != 1)
			errx(1, "no random bytes");
		samples[i] = now() - begin;
	}
	w->median = median(samples);
	free(out);
	return NULL;
}

static void bench(int size, int threads)
{
	struct worker workers[MAX_THREADS];
	pthread_barrier_t start;
	uint64_t most = 0;
	int i;

	pthread_barrier_init(&start, NULL, threads);
	for (i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .start = &start, .size = size };
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(1, "no thread");
	}
	for (i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].median > most)
			most = workers[i].median;
	}
	printf("count %d %d %lu\n", size, threads, (unsigned long)most);
}

static void bench_loop(void)
{
	unsigned int n = LOOPS;
	uint64_t begin = now();

	asm volatile("1: dec %0; jnz 1b" : "+r"(n) : : "cc");
	printf("count loop 1 %lu\n", (unsigned long)(now() - begin));
}

int main(void)
{
	unsigned int i;

	bench_loop();
	for (i = 0; i < SIZES; i++) {
		bench(sizes[i], 1);
		bench(sizes[i], MAX_THREADS);
	}
	return 0;
}
