// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider as programs meet it: through libcrypto, which has loaded it by openssl.cnf.
 * secrets_test runs this in a guest where it is switched on.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/self_test.h>

#include "kselftest_harness.h"

#define NAME		"vmgencounter"
#define THREADS		4
#define DRAWS		64
#define SIZE		16

static const char *provider_of(EVP_RAND_CTX *ctx)
{
	return OSSL_PROVIDER_get0_name(EVP_RAND_get0_provider(EVP_RAND_CTX_get0_rand(ctx)));
}

/* How often it was reseeded. */
static unsigned int reseeds_of(EVP_RAND_CTX *ctx)
{
	unsigned int count = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_DRBG_PARAM_RESEED_COUNTER, &count),
		OSSL_PARAM_construct_end()
	};

	return EVP_RAND_CTX_get_params(ctx, params) ? count : 0;
}

static EVP_RAND_CTX *new_context(const char *algorithm, const char *query, EVP_RAND_CTX *parent)
{
	EVP_RAND *rand = EVP_RAND_fetch(NULL, algorithm, query);
	EVP_RAND_CTX *ctx = rand ? EVP_RAND_CTX_new(rand, parent) : NULL;

	EVP_RAND_free(rand);
	return ctx;
}

TEST(programs_get_it)
{
	unsigned char out[SIZE], again[SIZE];

	EXPECT_STREQ(NAME, provider_of(RAND_get0_primary(NULL)));
	EXPECT_STREQ(NAME, provider_of(RAND_get0_public(NULL)));
	EXPECT_STREQ(NAME, provider_of(RAND_get0_private(NULL)));
	ASSERT_EQ(1, RAND_bytes(out, SIZE));
	ASSERT_EQ(1, RAND_bytes(again, SIZE));
	EXPECT_NE(0, memcmp(out, again, SIZE));
	ASSERT_EQ(1, RAND_priv_bytes(again, SIZE));
	EXPECT_NE(0, memcmp(out, again, SIZE));
}

/* More than one request may give, and nothing. */
TEST(any_size)
{
	static unsigned char out[1 << 20];
	int i, zeros = 0;

	EXPECT_EQ(1, RAND_bytes(out, 0));
	ASSERT_EQ(1, RAND_bytes(out, sizeof(out)));
	for (i = 0; i < (int)sizeof(out); i++)
		zeros += !out[i];
	EXPECT_GT(2 * (int)sizeof(out) / 256, zeros);
}

static void *draw(void *arg)
{
	unsigned char (*out)[SIZE] = arg;
	int i;

	for (i = 0; i < DRAWS; i++) {
		if (RAND_bytes(out[i], SIZE) != 1)
			return NULL;
		if (i % 16 == 0)
			RAND_add(out[i], SIZE, 0);
	}
	return arg;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SIZE);
}

TEST(threads_draw_what_nobody_else_has)
{
	static unsigned char out[THREADS * DRAWS][SIZE];
	pthread_t thread[THREADS];
	void *result;
	int i;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, draw, out[i * DRAWS]));
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &result));
		EXPECT_NE(NULL, result);
	}
	qsort(out, THREADS * DRAWS, SIZE, compare);
	for (i = 1; i < THREADS * DRAWS; i++)
		EXPECT_NE(0, memcmp(out[i - 1], out[i], SIZE));
}

TEST(a_child_draws_what_its_parent_does_not)
{
	unsigned char out[SIZE], drawn[SIZE];
	int pipes[2], status;
	pid_t pid;

	ASSERT_EQ(1, RAND_bytes(out, SIZE));
	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(RAND_bytes(out, SIZE) != 1 || write(pipes[1], out, SIZE) != SIZE);
	ASSERT_EQ(1, RAND_bytes(out, SIZE));
	ASSERT_EQ(SIZE, read(pipes[0], drawn, SIZE));
	EXPECT_NE(0, memcmp(out, drawn, SIZE));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* All descriptors are a pipe's: true if it loses nothing, and the mapping still serves. */
static bool draws_without_descriptors(void)
{
	unsigned int before = reseeds_of(RAND_get0_public(NULL));
	unsigned char out[SIZE];
	int fd, pipes[2];

	if (pipe(pipes) || write(pipes[1], "x", 1) != 1)
		return false;
	for (fd = 3; fd < 64; fd++)
		if (fd != pipes[1])
			dup2(pipes[0], fd);
	if (RAND_bytes(out, SIZE) != 1 || reseeds_of(RAND_get0_public(NULL)) != before)
		return false;
	OPENSSL_cleanup();
	return read(pipes[0], out, SIZE) == 1;
}

/* As programs do that become daemons. */
TEST(closed_descriptors)
{
	unsigned char out[SIZE];
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(RAND_bytes(out, SIZE) != 1 || !draws_without_descriptors());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* It goes to the primary generator, and the others follow. */
TEST(what_a_program_adds_comes_to_all)
{
	unsigned char out[SIZE];
	unsigned int before;

	ASSERT_EQ(1, RAND_bytes(out, SIZE));
	before = reseeds_of(RAND_get0_public(NULL));
	RAND_add("more", 4, 0);
	ASSERT_EQ(1, RAND_bytes(out, SIZE));
	EXPECT_NE(before, reseeds_of(RAND_get0_public(NULL)));
}

TEST(prediction_resistance)
{
	EVP_RAND_CTX *ctx = RAND_get0_public(NULL);
	unsigned char out[SIZE];
	unsigned int before;

	ASSERT_EQ(1, EVP_RAND_generate(ctx, out, SIZE, 256, 0, NULL, 0));
	before = reseeds_of(ctx);
	ASSERT_EQ(1, EVP_RAND_generate(ctx, out, SIZE, 256, 0, NULL, 0));
	EXPECT_EQ(before, reseeds_of(ctx));
	ASSERT_EQ(1, EVP_RAND_generate(ctx, out, SIZE, 256, 1, NULL, 0));
	EXPECT_NE(before, reseeds_of(ctx));
}

TEST(more_strength_than_there_is)
{
	unsigned char out[SIZE];

	EXPECT_EQ(0, EVP_RAND_generate(RAND_get0_public(NULL), out, SIZE, 512, 0, NULL, 0));
	EXPECT_EQ(1, RAND_bytes(out, SIZE));
}

TEST(parameters)
{
	EVP_RAND_CTX *ctx = RAND_get0_public(NULL);
	char cipher[32] = "";
	size_t max = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_RAND_PARAM_MAX_REQUEST, &max),
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, sizeof(cipher)),
		OSSL_PARAM_construct_end()
	};

	EXPECT_EQ(256, EVP_RAND_get_strength(ctx));
	EXPECT_EQ(EVP_RAND_STATE_READY, EVP_RAND_get_state(ctx));
	ASSERT_EQ(1, EVP_RAND_CTX_get_params(ctx, params));
	EXPECT_EQ(65536, max);
	EXPECT_STREQ("AES-256-CTR", cipher);
	EXPECT_NE(NULL, OSSL_PARAM_locate_const(EVP_RAND_CTX_gettable_params(ctx),
						OSSL_RAND_PARAM_STRENGTH));
	EXPECT_NE(NULL, OSSL_PARAM_locate_const(EVP_RAND_CTX_settable_params(ctx),
						OSSL_DRBG_PARAM_RESEED_REQUESTS));
}

TEST(a_child_of_it)
{
	EVP_RAND_CTX *ctx = new_context("HASH-DRBG", NULL, RAND_get0_primary(NULL));
	unsigned char out[SIZE];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end()
	};

	ASSERT_NE(NULL, ctx);
	ASSERT_EQ(1, EVP_RAND_instantiate(ctx, 128, 0, NULL, 0, params));
	EXPECT_EQ(1, EVP_RAND_generate(ctx, out, SIZE, 128, 1, NULL, 0));
	EVP_RAND_CTX_free(ctx);
}

/* Another cipher, no derivation function, and a parent of another provider. */
TEST(other_parameters)
{
	EVP_RAND_CTX *seed = new_context("SEED-SRC", NULL, NULL);
	EVP_RAND_CTX *ctx = new_context("CTR-DRBG", "provider=" NAME, seed);
	unsigned char out[SIZE];
	int derivation = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, (char *)"AES-128-CTR", 0),
		OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &derivation),
		OSSL_PARAM_construct_end()
	};

	ASSERT_NE(NULL, ctx);
	ASSERT_EQ(1, EVP_RAND_instantiate(seed, 0, 0, NULL, 0, NULL));
	ASSERT_EQ(1, EVP_RAND_instantiate(ctx, 0, 1, (const unsigned char *)"me", 2, params));
	EXPECT_EQ(128, EVP_RAND_get_strength(ctx));
	EXPECT_EQ(1, EVP_RAND_generate(ctx, out, SIZE, 128, 1, (const unsigned char *)"x", 1));
	EVP_RAND_CTX_free(ctx);
	EVP_RAND_CTX_free(seed);
}

/* libcrypto's own instantiates itself at a request. */
TEST(a_life)
{
	EVP_RAND_CTX *ctx = new_context("CTR-DRBG", "provider=" NAME, NULL);
	unsigned char out[SIZE];
	int i;

	ASSERT_NE(NULL, ctx);
	EXPECT_EQ(EVP_RAND_STATE_UNINITIALISED, EVP_RAND_get_state(ctx));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(1, EVP_RAND_generate(ctx, out, SIZE, 256, 0, NULL, 0));
		EXPECT_EQ(EVP_RAND_STATE_READY, EVP_RAND_get_state(ctx));
		EXPECT_EQ(1, EVP_RAND_uninstantiate(ctx));
		EXPECT_EQ(1, EVP_RAND_verify_zeroization(ctx));
		EXPECT_EQ(EVP_RAND_STATE_UNINITIALISED, EVP_RAND_get_state(ctx));
		ASSERT_EQ(1, EVP_RAND_instantiate(ctx, 256, 0, NULL, 0, NULL));
	}
	EVP_RAND_CTX_free(ctx);
}

TEST(many_library_contexts)
{
	OSSL_LIB_CTX **lib = calloc(16, sizeof(*lib));
	char *config = CONF_get1_default_config_file();
	unsigned char out[SIZE];
	int i;

	ASSERT_NE(NULL, lib);
	ASSERT_NE(NULL, config);
	for (i = 0; i < 16; i++) {
		lib[i] = OSSL_LIB_CTX_new();
		ASSERT_NE(NULL, lib[i]);
		ASSERT_EQ(1, OSSL_LIB_CTX_load_config(lib[i], config));
		ASSERT_EQ(1, RAND_bytes_ex(lib[i], out, SIZE, 0));
		EXPECT_STREQ(NAME, provider_of(RAND_get0_public(lib[i])));
	}
	for (i = 0; i < 16; i++)
		OSSL_LIB_CTX_free(lib[i]);
	OPENSSL_free(config);
	free(lib);
}

/* Returns 0 to have the self-test find something wrong. */
static int self_test_callback(const OSSL_PARAM *params, void *arg)
{
	const bool *corrupt = arg;
	const OSSL_PARAM *phase = OSSL_PARAM_locate_const(params, OSSL_PROV_PARAM_SELF_TEST_PHASE);

	return !*corrupt || !phase ||
	       strcmp(phase->data, OSSL_SELF_TEST_PHASE_CORRUPT) != 0;
}

TEST(self_test)
{
	OSSL_PROVIDER *provider = OSSL_PROVIDER_load(NULL, NAME);
	unsigned char out[SIZE];
	bool corrupt = false;

	ASSERT_NE(NULL, provider);
	OSSL_SELF_TEST_set_callback(NULL, self_test_callback, &corrupt);
	EXPECT_EQ(1, OSSL_PROVIDER_self_test(provider));
	corrupt = true;
	EXPECT_EQ(0, OSSL_PROVIDER_self_test(provider));
	corrupt = false;
	EXPECT_EQ(1, OSSL_PROVIDER_self_test(provider));
	EXPECT_EQ(1, RAND_bytes(out, SIZE));
	OSSL_PROVIDER_unload(provider);
}

TEST_HARNESS_MAIN
