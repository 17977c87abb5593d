/* SPDX-License-Identifier: MIT */
/*
 * What the provider's two files share: provider.c is loaded by libcrypto, rand.c has the
 * generator.
 */
#ifndef VMGEN_RAND_H
#define VMGEN_RAND_H

#include <pthread.h>

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <openssl/types.h>

#include <vmgencounter.h>

#define PROVIDER_NAME	"vmgencounter"
#define RAND_NAME	"CTR-DRBG"
#define PUBLIC_DEVICE	"/dev/vmgencounter_id"

/*
 * Of each library context that loads the provider.
 * @lock: for @drbg, which the first generator fetches
 * @lib:  the application's providers, as a child sees them
 * @drbg: libcrypto's own CTR-DRBG
 * @vmgen: the generation ID; NULL if it cannot be had, and @err says why
 */
struct provider {
	const OSSL_CORE_HANDLE *core;
	OSSL_FUNC_core_get_libctx_fn *get_application;	/* whose self-test it is */
	OSSL_FUNC_self_test_cb_fn *get_self_test;
	pthread_mutex_t lock;
	OSSL_LIB_CTX *lib;
	EVP_RAND *drbg;
	struct vmgen *vmgen;
	int err;
};

extern const OSSL_DISPATCH vmgen_rand_functions[];

/* OSSL_FUNC_PROVIDER_SELF_TEST, of the generator: 1 or 0. */
int vmgen_rand_self_test(struct provider *p);

#endif /* VMGEN_RAND_H */
