// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider as programs meet it: through libcrypto, which has loaded it by openssl.cnf.
 * secrets_test runs this in a guest where it is switched on, and where /dev/vmgen_test
 * changes the ID.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/core_dispatch.h>
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

/* One request, at which the mapping still serves; by system calls nothing is known any more. */
static bool draws_as_it_should(void)
{
	unsigned int before = reseeds_of(RAND_get0_public(NULL));
	bool is_mapped = !getenv("UNMAPPED");
	unsigned char out[SIZE];

	return RAND_bytes(out, SIZE) == 1 &&
	       (reseeds_of(RAND_get0_public(NULL)) == before) == is_mapped;
}

/* All descriptors are a pipe's: true if it loses nothing. */
static bool draws_without_descriptors(void)
{
	int fd, pipes[2];
	char c;

	if (pipe(pipes) || write(pipes[1], "x", 1) != 1)
		return false;
	for (fd = 3; fd < 64; fd++)
		if (fd != pipes[1])
			dup2(pipes[0], fd);
	if (!draws_as_it_should() || !draws_as_it_should())
		return false;
	OPENSSL_cleanup();
	return read(pipes[0], &c, 1) == 1;
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
	max = 0;
	params[1] = OSSL_PARAM_construct_end();	/* as libcrypto asks at each request */
	ASSERT_EQ(1, EVP_RAND_CTX_get_params(ctx, params));
	EXPECT_EQ(65536, max);
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

/* ---- a parent that is another provider's, and what is asked of it ---- */

static struct {
	bool fails;
	bool changes_id;	/* at the next request */
	void (*meanwhile)(void);	/* at the next request */
	bool is_locked;
	int enabled, requests, unlocked_requests;
} parent;

static bool change_id(void)
{
	int fd = open("/dev/vmgen_test", O_WRONLY);
	bool ok = fd >= 0 && write(fd, "change", 6) == 6;

	close(fd);
	return ok;
}

static void *parent_newctx(void *provider, void *of, const OSSL_DISPATCH *calls)
{
	(void)provider;
	(void)of;
	(void)calls;
	return &parent;
}

static void parent_freectx(void *ctx)
{
	(void)ctx;
}

static int parent_instantiate(void *ctx, unsigned int strength, int prediction_resistance,
			      const unsigned char *personal, size_t size, const OSSL_PARAM params[])
{
	(void)ctx;
	(void)strength;
	(void)prediction_resistance;
	(void)personal;
	(void)size;
	(void)params;
	return 1;
}

static int parent_uninstantiate(void *ctx)
{
	(void)ctx;
	return 1;
}

static int parent_generate(void *ctx, unsigned char *out, size_t size, unsigned int strength,
			   int prediction_resistance, const unsigned char *add, size_t add_size)
{
	void (*meanwhile)(void) = parent.meanwhile;

	(void)ctx;
	(void)strength;
	(void)prediction_resistance;
	(void)add;
	(void)add_size;
	parent.meanwhile = NULL;
	parent.requests++;
	parent.unlocked_requests += !parent.is_locked;
	memset(out, 0, size);
	if (meanwhile)
		meanwhile();
	if (parent.changes_id && !change_id())
		return 0;
	parent.changes_id = false;
	return !parent.fails;
}

static int parent_enable_locking(void *ctx)
{
	(void)ctx;
	parent.enabled++;
	return 1;
}

static int parent_lock(void *ctx)
{
	(void)ctx;
	parent.is_locked = true;
	return 1;
}

static void parent_unlock(void *ctx)
{
	(void)ctx;
	parent.is_locked = false;
}

static int parent_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	OSSL_PARAM *state = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
	OSSL_PARAM *strength = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
	OSSL_PARAM *max = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST);

	(void)ctx;
	return (!state || OSSL_PARAM_set_int(state, EVP_RAND_STATE_READY)) &&
	       (!strength || OSSL_PARAM_set_uint(strength, 256)) &&
	       (!max || OSSL_PARAM_set_size_t(max, 1 << 16));
}

#define FUNCTION(id, name)	{ OSSL_FUNC_RAND_##id, (void (*)(void))parent_##name }
static const OSSL_DISPATCH parent_functions[] = {
	FUNCTION(NEWCTX, newctx),
	FUNCTION(FREECTX, freectx),
	FUNCTION(INSTANTIATE, instantiate),
	FUNCTION(UNINSTANTIATE, uninstantiate),
	FUNCTION(GENERATE, generate),
	FUNCTION(ENABLE_LOCKING, enable_locking),
	FUNCTION(LOCK, lock),
	FUNCTION(UNLOCK, unlock),
	FUNCTION(GET_CTX_PARAMS, get_ctx_params),
	{ 0, NULL }
};

static const OSSL_ALGORITHM *parent_query(void *provider, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM rands[] = {
		{ "OBSERVED", "provider=observed", parent_functions, NULL },
		{ NULL, NULL, NULL, NULL }
	};

	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_RAND ? rands : NULL;
}

static int parent_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *core_functions,
		       const OSSL_DISPATCH **functions, void **provider)
{
	static const OSSL_DISPATCH provider_functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))parent_query },
		{ 0, NULL }
	};

	(void)core;
	(void)core_functions;
	*functions = provider_functions;
	*provider = &parent;
	return 1;
}

/* A generator of ours, that of ours which is its parent, and the end of the chain. */
FIXTURE(chain) {
	OSSL_PROVIDER *provider;
	EVP_RAND_CTX *end, *middle, *own;
	unsigned char out[SIZE];
};

FIXTURE_SETUP(chain)
{
	memset(&parent, 0, sizeof(parent));
	ASSERT_EQ(1, OSSL_PROVIDER_add_builtin(NULL, "observed", parent_init));
	self->provider = OSSL_PROVIDER_load(NULL, "observed");
	ASSERT_NE(NULL, self->provider);
	self->end = new_context("OBSERVED", NULL, NULL);
	ASSERT_NE(NULL, self->end);
	ASSERT_EQ(1, EVP_RAND_instantiate(self->end, 0, 0, NULL, 0, NULL));
	self->middle = new_context("CTR-DRBG", "provider=" NAME, self->end);
	ASSERT_NE(NULL, self->middle);
	self->own = new_context("CTR-DRBG", "provider=" NAME, self->middle);
	ASSERT_NE(NULL, self->own);
	ASSERT_EQ(1, EVP_RAND_enable_locking(self->own));
	ASSERT_EQ(1, EVP_RAND_instantiate(self->middle, 0, 0, NULL, 0, NULL));
	ASSERT_EQ(1, EVP_RAND_instantiate(self->own, 0, 0, NULL, 0, NULL));
	ASSERT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
}

FIXTURE_TEARDOWN(chain)
{
	EVP_RAND_CTX_free(self->own);
	EVP_RAND_CTX_free(self->middle);
	EVP_RAND_CTX_free(self->end);
	OSSL_PROVIDER_unload(self->provider);
}

TEST_F(chain, parents_are_asked_under_their_locks)
{
	EXPECT_LE(1, parent.enabled);
	EXPECT_EQ(1, parent.requests);
	EXPECT_EQ(0, parent.unlocked_requests);
	EXPECT_FALSE(parent.is_locked);
}

TEST_F(chain, a_change_is_one_reseed)
{
	unsigned int before = reseeds_of(self->own);
	int asked = parent.requests;

	ASSERT_TRUE(change_id());
	ASSERT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_NE(before, reseeds_of(self->own));
	EXPECT_EQ(asked + 1, parent.requests);
	before = reseeds_of(self->own);
	ASSERT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_EQ(before, reseeds_of(self->own));
	EXPECT_EQ(asked + 1, parent.requests);
}

TEST_F(chain, a_new_start_asks_the_parent)
{
	int asked = parent.requests;

	ASSERT_EQ(1, EVP_RAND_uninstantiate(self->middle));
	ASSERT_EQ(1, EVP_RAND_instantiate(self->middle, 0, 0, NULL, 0, NULL));
	ASSERT_EQ(1, EVP_RAND_generate(self->middle, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_EQ(asked + 1, parent.requests);
}

static struct {
	EVP_RAND_CTX *ctx;
	pthread_t thread;
	atomic_int tid;
	atomic_bool has_drawn, was_kept_out;
} rival;

static void *draw_as_rival(void *arg)
{
	unsigned char out[SIZE];

	(void)arg;
	rival.tid = gettid();
	EVP_RAND_generate(rival.ctx, out, SIZE, 0, 0, NULL, 0);
	rival.has_drawn = true;
	return NULL;
}

static bool rival_sleeps(void)
{
	char name[32], text[256] = "", *end;
	int fd;

	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", rival.tid);
	fd = open(name, O_RDONLY);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	end = strrchr(text, ')');
	return end && end[1] && end[2] == 'S';
}

/* Until it has drawn or waits for who does. */
static void start_rival(void)
{
	if (pthread_create(&rival.thread, NULL, draw_as_rival, NULL))
		return;
	while (!rival.has_drawn && !rival.was_kept_out)
		rival.was_kept_out = rival.tid && rival_sleeps();
}

TEST_F(chain, threads_wait_for_each_other)
{
	ASSERT_TRUE(change_id());
	rival.ctx = self->middle;
	parent.meanwhile = start_rival;
	ASSERT_EQ(1, EVP_RAND_generate(self->middle, self->out, SIZE, 0, 0, NULL, 0));
	ASSERT_EQ(0, pthread_join(rival.thread, NULL));
	EXPECT_TRUE(rival.was_kept_out);
	EXPECT_TRUE(rival.has_drawn);
}

/* What is drawn from a generation that is over by then is not returned. */
TEST_F(chain, a_change_during_a_request)
{
	int asked = parent.requests;

	ASSERT_TRUE(change_id());
	parent.changes_id = true;
	ASSERT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_FALSE(parent.changes_id);
	EXPECT_EQ(asked + 2, parent.requests);
}

TEST_F(chain, a_parent_that_fails_is_asked_again)
{
	unsigned int before = reseeds_of(self->own);

	ASSERT_TRUE(change_id());
	parent.fails = true;
	EXPECT_EQ(0, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_EQ(0, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_FALSE(parent.is_locked);
	parent.fails = false;
	EXPECT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_NE(before, reseeds_of(self->own));
	EXPECT_EQ(0, parent.unlocked_requests);
}

/* Though the request before it came to nothing. */
TEST_F(chain, what_is_added_to_a_parent_reaches_its_child)
{
	unsigned int before;

	ASSERT_TRUE(change_id());
	parent.fails = true;
	EXPECT_EQ(1, EVP_RAND_reseed(self->middle, 0, NULL, 0, self->out, SIZE));
	EXPECT_EQ(0, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	parent.fails = false;
	EXPECT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	before = reseeds_of(self->own);
	EXPECT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_EQ(before, reseeds_of(self->own));
	EXPECT_EQ(1, EVP_RAND_reseed(self->middle, 0, NULL, 0, self->out, SIZE));
	EXPECT_EQ(1, EVP_RAND_generate(self->own, self->out, SIZE, 0, 0, NULL, 0));
	EXPECT_NE(before, reseeds_of(self->own));
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
