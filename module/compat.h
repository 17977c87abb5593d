/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that we build for. The rest of the module is
 * written for the newest one; all knowledge of versions and of configuration
 * options is here. Where a distribution may have backported a feature, the
 * feature is tested for and not the version.
 */
#ifndef _VMGENCOUNTER_COMPAT_H
#define _VMGENCOUNTER_COMPAT_H

#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/random.h>
#include <linux/version.h>

#ifdef CONFIG_X86
#include <asm/processor.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define vm_flags_clear(vma, flags)	((vma)->vm_flags &= ~(flags))
#endif

/**
 * compat_phys_addr_max() - the last physical address that can be mapped
 *
 * The kernel answers an ioremap() above it with a WARN(); firmware must not be
 * able to cause one.
 */
static inline phys_addr_t compat_phys_addr_max(void)
{
#ifdef CONFIG_X86
	return (1ULL << boot_cpu_data.x86_phys_bits) - 1;
#else
	return (1ULL << MAX_PHYSMEM_BITS) - 1;
#endif
}

/*
 * add_vmfork_randomness() is exported only for an in-tree vmgenid driver that
 * is a module; where that driver is built in or absent we cannot call it.
 */
#if IS_MODULE(CONFIG_VMGENID)
#define COMPAT_CAN_RESEED	true
#else
#define COMPAT_CAN_RESEED	false
#endif

/**
 * compat_mix_generation() - tell the kernel's RNG of a new generation
 * @id: the generation ID
 * @len: its length in bytes
 *
 * Reseeds at once where COMPAT_CAN_RESEED, else leaves @id in the input pool
 * for the next reseed.
 */
static inline void compat_mix_generation(const void *id, size_t len)
{
#if IS_MODULE(CONFIG_VMGENID)
	add_vmfork_randomness(id, len);
#else
	add_device_randomness(id, len);
#endif
}

#endif /* _VMGENCOUNTER_COMPAT_H */
