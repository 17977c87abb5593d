/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the compiler of devicetrees makes of vmgen_overlay.dtso
 */
#ifndef VMGEN_OVERLAY_H
#define VMGEN_OVERLAY_H

#include <linux/types.h>

extern const u8 __dtbo_vmgen_overlay_begin[], __dtbo_vmgen_overlay_end[];

#endif /* VMGEN_OVERLAY_H */
