/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The variants of the fixture "address": bad addresses, for each of the buffers that a call
 * has. A test declares the fixture, and then includes this.
 */
#ifndef BAD_ADDRESSES_H
#define BAD_ADDRESSES_H

#include "common.h"
#include "kselftest_harness.h"

FIXTURE_VARIANT(address) {
	struct bad_address bad;
};

FIXTURE_VARIANT_ADD(address, null) { { .fixed = true, .number = 0 } };
FIXTURE_VARIANT_ADD(address, last) { { .fixed = true, .number = ~7ULL } };
/* In the upper half: a 32-bit caller must not have it cut off, either. */
FIXTURE_VARIANT_ADD(address, kernel) { { .fixed = true, .number = 0xffff888000000000 } };
FIXTURE_VARIANT_ADD(address, missing) { { .prot = PAGE_MISSING } };
FIXTURE_VARIANT_ADD(address, prot_none) { { .prot = PROT_NONE } };
FIXTURE_VARIANT_ADD(address, read_only) { { .prot = PROT_READ } };
FIXTURE_VARIANT_ADD(address, half_missing) { { .half = true, .prot = PAGE_MISSING } };
FIXTURE_VARIANT_ADD(address, half_prot_none) { { .half = true, .prot = PROT_NONE } };
FIXTURE_VARIANT_ADD(address, half_read_only) { { .half = true, .prot = PROT_READ } };

#endif /* BAD_ADDRESSES_H */
