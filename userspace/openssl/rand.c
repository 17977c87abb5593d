// SPDX-License-Identifier: MIT
/*
 * RAND: libcrypto's CTR-DRBG, which starts anew when the machine has become another one
 *
 * Each generator has a CTR-DRBG of libcrypto inside, which takes its entropy from the
 * operating system, and a watch of the generation ID. Before a request it looks at the
 * watch, which takes a few loads. If the ID is another one, the DRBG is reseeded from
 * getrandom() with the ID as additional input: clones differ even where the kernel has not
 * heard of the change yet and gives both the same. After the request it looks again, so
 * that what it returns was made in one generation.
 *
 * libcrypto has a chain of generators: a thread's have the primary one as their parent, and
 * that may have another. A parent's output is additional input at each reseed here. As what
 * RAND_add() brings goes to the primary one, the others are reseeded once after each of its
 * reseeds that was asked for. They read its count and take no lock, which is what makes them
 * faster than libcrypto's.
 *
 * Lifetime: libcrypto frees a generator before its parent, and before the provider.
 * Locks: that of a generator, which libcrypto takes where several threads use one.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/self_test.h>

#include "rand.h"

struct parent {
	void *ctx;		/* NULL: there is none */
	OSSL_FUNC_rand_generate_fn *generate;
	OSSL_FUNC_rand_enable_locking_fn *enable_locking;
	OSSL_FUNC_rand_lock_fn *lock;		/* may be NULL, as the next */
	OSSL_FUNC_rand_unlock_fn *unlock;
	const atomic_uint *reseeds;	/* of one of ours; of others, always 0 */
};

struct generator {
	struct provider *p;
	EVP_RAND_CTX *inner;
	struct vmgen_watch watch;
	bool known;			/* the watch has an ID of the device */
	size_t max_request;		/* bytes; 0 until instantiated */
	unsigned int parent_reseeds;	/* when this one was last reseeded */
	struct parent parent;
	atomic_uint reseeds;		/* that were asked for */
	pthread_mutex_t *lock;		/* NULL: of one thread */
};

/* Additional input of a reseed: 32 bytes are the most that each kind of DRBG takes. */
struct news {
	struct vm_gencounter id;
	unsigned char parent[16];
};

/* Where there is no device, the watch is of what never changes. */
static const unsigned long nothing[VMGEN_WORDS];
static const atomic_uint never;

/* ---- the generation ---- */

static bool is_old(const struct generator *g)
{
	return vmgen_changed(&g->watch) ||
	       atomic_load_explicit(g->parent.reseeds, memory_order_acquire) !=
	       g->parent_reseeds;
}

/* Of a generator that knows no ID yet: it has changed. */
static void watch_stale(struct generator *g)
{
	g->watch = (struct vmgen_watch){ .id = nothing, .known = { 1 } };
}

/* @reseeds: the parent's, of which what it gives already has. */
static bool ask_parent(struct generator *g, unsigned char *out, size_t size,
		       unsigned int *reseeds)
{
	const struct parent *parent = &g->parent;
	bool ok;

	if (!parent->ctx)
		return true;
	if (parent->lock && !parent->lock(parent->ctx))
		return false;
	*reseeds = atomic_load(parent->reseeds);
	ok = parent->generate(parent->ctx, out, size, 0, 0, (void *)&g, sizeof(g));
	if (parent->unlock)
		parent->unlock(parent->ctx);
	return ok;
}

/*
 * The ID is taken first: one that comes later is found by the next look. Where the device is
 * gone, and is asked by system calls, nobody tells of a change any more: then this is done at
 * each request.
 */
static bool renew(struct generator *g)
{
	struct news news = {};
	unsigned int reseeds = g->parent_reseeds;
	struct vmgen *vmgen = g->p->vmgen;
	bool known = vmgen && !vmgen_get(vmgen, &news.id);
	bool ok = ask_parent(g, news.parent, sizeof(news.parent), &reseeds) &&
		  EVP_RAND_reseed(g->inner, 0, NULL, 0, (void *)&news, sizeof(news));

	if (ok) {
		g->known = known;
		g->parent_reseeds = reseeds;
	}
	if (ok && known)
		vmgen_watch_set(vmgen, &news.id, &g->watch);
	else if (ok)
		g->watch = (struct vmgen_watch){ .id = vmgen ? NULL : nothing, .vmgen = vmgen };
	OPENSSL_cleanse(&news, sizeof(news));
	return ok;
}

static int rand_generate(void *ctx, unsigned char *out, size_t size, unsigned int strength,
			 int prediction_resistance, const unsigned char *add, size_t add_size)
{
	struct generator *g = ctx;

	do {
		if (__builtin_expect(is_old(g), 0) && !renew(g))
			return 0;
		if (!EVP_RAND_generate(g->inner, out, size, strength, prediction_resistance,
				       add, add_size))
			return 0;
	} while (g->known && __builtin_expect(vmgen_changed(&g->watch), 0));
	return 1;
}

/* ---- a generator's life ---- */

/* Once: the providers need not have been activated when ours was. */
static EVP_RAND *fetch_drbg(struct provider *p)
{
	pthread_mutex_lock(&p->lock);
	if (!p->drbg)
		p->drbg = EVP_RAND_fetch(p->lib, RAND_NAME, "provider!=" PROVIDER_NAME);
	pthread_mutex_unlock(&p->lock);
	return p->drbg;
}

static void set_parent(struct generator *g, void *ctx, const OSSL_DISPATCH *calls)
{
	struct parent *parent = &g->parent;

	for (; ctx && calls->function_id; calls++) {
		if (calls->function_id == OSSL_FUNC_RAND_GENERATE)
			parent->generate = OSSL_FUNC_rand_generate(calls);
		else if (calls->function_id == OSSL_FUNC_RAND_ENABLE_LOCKING)
			parent->enable_locking = OSSL_FUNC_rand_enable_locking(calls);
		else if (calls->function_id == OSSL_FUNC_RAND_LOCK)
			parent->lock = OSSL_FUNC_rand_lock(calls);
		else if (calls->function_id == OSSL_FUNC_RAND_UNLOCK)
			parent->unlock = OSSL_FUNC_rand_unlock(calls);
	}
	parent->reseeds = &never;
	if (!parent->generate)
		return;
	parent->ctx = ctx;
	if (parent->generate == rand_generate)
		parent->reseeds = &((struct generator *)ctx)->reseeds;
}

static void rand_freectx(void *ctx)
{
	struct generator *g = ctx;

	if (!g)
		return;
	EVP_RAND_CTX_free(g->inner);
	if (g->lock)
		pthread_mutex_destroy(g->lock);
	free(g->lock);
	free(g);
}

static void *rand_newctx(void *provider, void *parent, const OSSL_DISPATCH *parent_calls)
{
	struct provider *p = provider;
	struct generator *g = calloc(1, sizeof(*g));
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, (char *)"AES-256-CTR", 0),
		OSSL_PARAM_construct_end()
	};
	EVP_RAND *drbg = fetch_drbg(p);

	if (!g || !drbg)
		goto fail;
	g->p = p;
	watch_stale(g);
	set_parent(g, parent, parent_calls);
	g->inner = EVP_RAND_CTX_new(drbg, NULL);
	if (g->inner && EVP_RAND_CTX_set_params(g->inner, params))
		return g;
fail:
	rand_freectx(g);
	return NULL;
}

static int rand_instantiate(void *ctx, unsigned int strength, int prediction_resistance,
			    const unsigned char *personal, size_t size, const OSSL_PARAM params[])
{
	struct generator *g = ctx;
	OSSL_PARAM limit[] = {
		OSSL_PARAM_construct_size_t(OSSL_RAND_PARAM_MAX_REQUEST, &g->max_request),
		OSSL_PARAM_construct_end()
	};

	watch_stale(g);
	return EVP_RAND_instantiate(g->inner, strength, prediction_resistance, personal, size,
				    params) &&
	       EVP_RAND_CTX_get_params(g->inner, limit);
}

static int rand_uninstantiate(void *ctx)
{
	return EVP_RAND_uninstantiate(((struct generator *)ctx)->inner);
}

static int rand_reseed(void *ctx, int prediction_resistance, const unsigned char *entropy,
		       size_t size, const unsigned char *add, size_t add_size)
{
	struct generator *g = ctx;

	if (!EVP_RAND_reseed(g->inner, prediction_resistance, entropy, size, add, add_size))
		return 0;
	atomic_fetch_add_explicit(&g->reseeds, 1, memory_order_release);
	return 1;
}

/* ---- for who has one of these as a parent ---- */

static size_t rand_get_seed(void *ctx, unsigned char **seed, int entropy, size_t min_size,
			    size_t max_size, int prediction_resistance,
			    const unsigned char *add, size_t add_size)
{
	size_t size = entropy > 0 ? ((size_t)entropy + 7) / 8 : 0;
	unsigned char *out;

	if (size < min_size)
		size = min_size;
	if (size > max_size)
		return 0;
	out = OPENSSL_secure_malloc(size);
	if (!out)
		return 0;
	if (!rand_generate(ctx, out, size, 0, prediction_resistance, add, add_size)) {
		OPENSSL_secure_clear_free(out, size);
		return 0;
	}
	*seed = out;
	return size;
}

static void rand_clear_seed(void *ctx, unsigned char *seed, size_t size)
{
	(void)ctx;
	OPENSSL_secure_clear_free(seed, size);
}

/* What several threads use asks its parent in each of them. */
static int rand_enable_locking(void *ctx)
{
	struct generator *g = ctx;
	const struct parent *parent = &g->parent;
	pthread_mutex_t *lock;

	if (g->lock)
		return 1;
	if (parent->ctx && parent->enable_locking && !parent->enable_locking(parent->ctx))
		return 0;
	lock = malloc(sizeof(*lock));
	if (!lock || pthread_mutex_init(lock, NULL)) {
		free(lock);
		return 0;
	}
	g->lock = lock;
	return 1;
}

static int rand_lock(void *ctx)
{
	struct generator *g = ctx;

	return !g->lock || !pthread_mutex_lock(g->lock);
}

static void rand_unlock(void *ctx)
{
	struct generator *g = ctx;

	if (g->lock)
		pthread_mutex_unlock(g->lock);
}

/* ---- parameters: those of the DRBG inside ---- */

/* libcrypto asks for this at each request, and it never changes: most of a look's cost. */
static bool is_max_request(const OSSL_PARAM params[])
{
	return params && params[0].key && !params[1].key && params[0].data &&
	       params[0].data_type == OSSL_PARAM_UNSIGNED_INTEGER &&
	       params[0].data_size == sizeof(size_t) &&
	       !strcmp(params[0].key, OSSL_RAND_PARAM_MAX_REQUEST);
}

static int rand_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	struct generator *g = ctx;

	if (is_max_request(params) && g->max_request) {
		*(size_t *)params[0].data = g->max_request;
		params[0].return_size = sizeof(size_t);
		return 1;
	}
	return EVP_RAND_CTX_get_params(g->inner, params);
}

static int rand_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
	return EVP_RAND_CTX_set_params(((struct generator *)ctx)->inner, params);
}

static const OSSL_PARAM *rand_gettable(void *ctx, void *provider)
{
	EVP_RAND *drbg = fetch_drbg(provider);

	(void)ctx;
	return drbg ? EVP_RAND_gettable_ctx_params(drbg) : NULL;
}

static const OSSL_PARAM *rand_settable(void *ctx, void *provider)
{
	EVP_RAND *drbg = fetch_drbg(provider);

	(void)ctx;
	return drbg ? EVP_RAND_settable_ctx_params(drbg) : NULL;
}

static int rand_verify_zeroization(void *ctx)
{
	return EVP_RAND_verify_zeroization(((struct generator *)ctx)->inner);
}

#define FUNCTION(id, name)	{ OSSL_FUNC_RAND_##id, (void (*)(void))rand_##name }
const OSSL_DISPATCH vmgen_rand_functions[] = {
	FUNCTION(NEWCTX, newctx),
	FUNCTION(FREECTX, freectx),
	FUNCTION(INSTANTIATE, instantiate),
	FUNCTION(UNINSTANTIATE, uninstantiate),
	FUNCTION(GENERATE, generate),
	FUNCTION(RESEED, reseed),
	FUNCTION(GET_SEED, get_seed),
	FUNCTION(CLEAR_SEED, clear_seed),
	FUNCTION(ENABLE_LOCKING, enable_locking),
	FUNCTION(LOCK, lock),
	FUNCTION(UNLOCK, unlock),
	FUNCTION(GETTABLE_CTX_PARAMS, gettable),
	FUNCTION(SETTABLE_CTX_PARAMS, settable),
	FUNCTION(GET_CTX_PARAMS, get_ctx_params),
	FUNCTION(SET_CTX_PARAMS, set_ctx_params),
	FUNCTION(VERIFY_ZEROIZATION, verify_zeroization),
	{ 0, NULL }
};

/* ---- the self-test ---- */

/* A generator that knows no ID is reseeded by its first request, and then knows it. */
static bool test_generator(struct generator *g, OSSL_SELF_TEST *test)
{
	unsigned int before = 0, after = 0;
	unsigned char out[16];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(OSSL_DRBG_PARAM_RESEED_COUNTER, &before),
		OSSL_PARAM_construct_end()
	};

	if (!rand_instantiate(g, 0, 0, NULL, 0, NULL) || !rand_get_ctx_params(g, params))
		return false;
	params[0].data = &after;
	if (!rand_generate(g, out, sizeof(out), 0, 0, NULL, 0) ||
	    !rand_get_ctx_params(g, params))
		return false;
	OSSL_SELF_TEST_oncorrupt_byte(test, (unsigned char *)g->watch.known);
	return after != before && !vmgen_changed(&g->watch);
}

int vmgen_rand_self_test(struct provider *p)
{
	struct generator *g = rand_newctx(p, NULL, NULL);
	OSSL_SELF_TEST *test;
	OSSL_CALLBACK *callback = NULL;
	void *arg = NULL;
	bool ok;

	if (p->get_application && p->get_self_test)
		p->get_self_test(p->get_application(p->core), &callback, &arg);
	test = OSSL_SELF_TEST_new(callback, arg);
	if (test)
		OSSL_SELF_TEST_onbegin(test, OSSL_SELF_TEST_TYPE_DRBG, RAND_NAME);
	ok = g && test && test_generator(g, test);
	if (test)
		OSSL_SELF_TEST_onend(test, ok);
	OSSL_SELF_TEST_free(test);
	rand_freectx(g);
	return ok;
}
