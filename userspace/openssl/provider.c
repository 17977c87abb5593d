// SPDX-License-Identifier: MIT
/*
 * An OpenSSL 3 provider: RAND for every program that uses libcrypto, which starts anew when
 * the virtual machine was cloned or restored
 *
 * libcrypto loads it by openssl.cnf at the start of a program, and prefers its CTR-DRBG to
 * the one of that name in other providers. Where it cannot be loaded, those do. The device is
 * opened then and never again: later the program may be in a sandbox that kills who opens a
 * file. Without the device the generator is libcrypto's own.
 *
 * Lifetime: a struct provider lives from OSSL_provider_init() to the teardown, before which
 * libcrypto frees all generators.
 * Locks: see rand.h.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "rand.h"

#define PARAM(name)	OSSL_PARAM_DEFN(name, OSSL_PARAM_UTF8_PTR, NULL, 0)
static const OSSL_PARAM gettable_params[] = {
	PARAM(OSSL_PROV_PARAM_NAME),
	PARAM(OSSL_PROV_PARAM_VERSION),
	PARAM(OSSL_PROV_PARAM_BUILDINFO),
	OSSL_PARAM_DEFN(OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, NULL, 0),
	OSSL_PARAM_END
};

static const OSSL_PARAM *provider_gettable_params(void *provider)
{
	(void)provider;
	return gettable_params;
}

/* What `openssl list -providers -verbose` shows as "build info". */
static const char *describe(const struct provider *p)
{
	struct vmgencounter_info info;

	if (!p->vmgen && p->err == ENOENT)
		return "as the default: there is no " PUBLIC_DEVICE;
	if (!p->vmgen)
		return "as the default: " PUBLIC_DEVICE " cannot be opened";
	if (vmgen_info(p->vmgen, &info))
		return "as if at each request the machine were another: " PUBLIC_DEVICE " is gone";
	if (info.flags & VMGENCOUNTER_MMAP)
		return "watches " PUBLIC_DEVICE " through its mapping";
	return "watches " PUBLIC_DEVICE " by system calls";
}

static int set_text(OSSL_PARAM params[], const char *name, const char *text)
{
	OSSL_PARAM *param = OSSL_PARAM_locate(params, name);

	return !param || OSSL_PARAM_set_utf8_ptr(param, text);
}

static int provider_get_params(void *provider, OSSL_PARAM params[])
{
	OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

	return set_text(params, OSSL_PROV_PARAM_NAME, "RAND that knows the VM generation ID") &&
	       set_text(params, OSSL_PROV_PARAM_VERSION, vmgen_version()) &&
	       set_text(params, OSSL_PROV_PARAM_BUILDINFO, describe(provider)) &&
	       (!status || OSSL_PARAM_set_int(status, 1));
}

static const OSSL_ALGORITHM rands[] = {
	{ RAND_NAME, "provider=" PROVIDER_NAME, vmgen_rand_functions,
	  "reseeded when the VM generation ID changes" },
	{ NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_RAND ? rands : NULL;
}

static int provider_self_test(void *provider)
{
	return vmgen_rand_self_test(provider);
}

static void provider_teardown(void *provider)
{
	struct provider *p = provider;

	EVP_RAND_free(p->drbg);
	OSSL_LIB_CTX_free(p->lib);
	vmgen_close(p->vmgen);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

#define FUNCTION(id, name)	{ OSSL_FUNC_PROVIDER_##id, (void (*)(void))provider_##name }
static const OSSL_DISPATCH provider_functions[] = {
	FUNCTION(TEARDOWN, teardown),
	FUNCTION(GETTABLE_PARAMS, gettable_params),
	FUNCTION(GET_PARAMS, get_params),
	FUNCTION(QUERY_OPERATION, query),
	FUNCTION(SELF_TEST, self_test),
	{ 0, NULL }
};

static void take_core_functions(struct provider *p, const OSSL_DISPATCH *core_functions)
{
	for (; core_functions->function_id; core_functions++)
		if (core_functions->function_id == OSSL_FUNC_SELF_TEST_CB)
			p->get_self_test = OSSL_FUNC_self_test_cb(core_functions);
		else if (core_functions->function_id == OSSL_FUNC_CORE_GET_LIBCTX)
			p->get_application = OSSL_FUNC_core_get_libctx(core_functions);
}

OSSL_provider_init_fn OSSL_provider_init;
int OSSL_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *core_functions,
		       const OSSL_DISPATCH **functions, void **provider)
{
	struct provider *p = calloc(1, sizeof(*p));

	if (!p)
		return 0;
	if (pthread_mutex_init(&p->lock, NULL)) {
		free(p);
		return 0;
	}
	p->core = core;
	take_core_functions(p, core_functions);
	p->lib = OSSL_LIB_CTX_new_child(core, core_functions);
	if (!p->lib) {
		provider_teardown(p);
		return 0;
	}
	p->vmgen = vmgen_open(PUBLIC_DEVICE);
	p->err = errno;
	*functions = provider_functions;
	*provider = p;
	return 1;
}
