/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that we build for. The rest of the module is
 * written for the newest one; all knowledge of versions and of configuration
 * options is here. Where a distribution may have backported a feature, the
 * feature is tested for and not the version.
 */
#ifndef _VMGENCOUNTER_COMPAT_H
#define _VMGENCOUNTER_COMPAT_H

#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "vmgencounter supports Linux 5.10 and later; this kernel is older"
#endif

#include <linux/acpi.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mod_devicetable.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/percpu-refcount.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/wait.h>

#ifdef CONFIG_X86
#include <asm/processor.h>
#endif
#ifdef COMPAT_HAS_URING_CMD_CANCEL
#include <linux/io_uring/cmd.h>
#endif
#ifdef COMPAT_HAS_CC_PLATFORM
#include <linux/cc_platform.h>
#else
#include <linux/mem_encrypt.h>
#endif

/* COMPAT_HAS_* is what Kbuild found in the kernel's headers. */

#ifndef COMPAT_HAS_VM_FLAGS_CLEAR	/* before 6.3 */
#define vm_flags_clear(vma, flags)	((vma)->vm_flags &= ~(flags))
#define vm_flags_set(vma, flags)	((vma)->vm_flags |= (flags))
#endif

#ifndef COMPAT_HAS_FAULT_IN_SAFE_WRITEABLE	/* before 5.16 */
static inline size_t fault_in_readable(const char __user *addr, size_t size)
{
	/* Unlike its successor it takes the caller's word for the address. */
	if (!access_ok(addr, size) || fault_in_pages_readable(addr, size))
		return size;
	return 0;
}

static inline size_t fault_in_safe_writeable(const char __user *addr, size_t size)
{
	unsigned long at = (unsigned long)addr & PAGE_MASK;
	int bad = !access_ok(addr, size);
	bool unlocked;			/* may be: what userfaultfd serves is waited for */

	mmap_read_lock(current->mm);
	for (; !bad && at < (unsigned long)addr + size; at += PAGE_SIZE)
		bad = fixup_user_fault(current->mm, at, FAULT_FLAG_WRITE, &unlocked);
	mmap_read_unlock(current->mm);
	return bad ? size : 0;
}
#endif

#ifndef COMPAT_HAS_FILE_OPEN_ROOT_MNT	/* before 5.14 */
static inline struct file *file_open_root_mnt(struct vfsmount *mnt, const char *name,
					      int flags, umode_t mode)
{
	return file_open_root(mnt->mnt_root, mnt, name, flags, mode);
}
#endif

/* A kernel without ACPI declares no more of a struct acpi_device than its name. */
#ifdef CONFIG_ACPI
static inline struct device *compat_acpi_dev(struct acpi_device *adev)
{
	return &adev->dev;
}

static inline bool compat_acpi_has_id(struct acpi_device *adev, const char *id)
{
	struct acpi_hardware_id *hwid;

	list_for_each_entry(hwid, &adev->pnp.ids, list)
		if (!strcmp(hwid->id, id))
			return true;
	return false;
}
#else
static inline struct device *compat_acpi_dev(struct acpi_device *adev)
{
	return NULL;
}

static inline bool compat_acpi_has_id(struct acpi_device *adev, const char *id)
{
	return false;
}
#endif

/* wait_event_killable() that does not keep the machine from suspending */
#ifdef TASK_FREEZABLE	/* since 6.1 */
#define compat_wait_event_killable(wq, condition) \
	wait_event_state(wq, condition, (TASK_KILLABLE | TASK_FREEZABLE))
#else
#define compat_wait_event_killable(wq, condition)		\
({								\
	int __killed;						\
								\
	freezer_do_not_count();					\
	__killed = wait_event_killable(wq, condition);		\
	freezer_count();					\
	__killed;						\
})
#endif

/**
 * compat_pci_driver_is_for_programs() - does a driver leave the function to programs?
 * @drv: a driver of the PCI bus
 *
 * As vfio-pci and its kin do, and pci-stub. Newer kernels ask for that, as a program's DMA
 * is none of theirs; on older ones there are these two.
 */
static inline bool compat_pci_driver_is_for_programs(const struct device_driver *drv)
{
#ifdef COMPAT_HAS_DRIVER_MANAGED_DMA	/* since 6.0 */
	return container_of(drv, struct pci_driver, driver)->driver_managed_dma;
#else
	return !strcmp(drv->name, "vfio-pci") || !strcmp(drv->name, "pci-stub");
#endif
}

#ifdef COMPAT_HAS_ASSIGN_STR_ALONE	/* since 6.10: a tracepoint knows what it copies */
#define COMPAT_ASSIGN_STR(field, ...)	__assign_str(field)
#else
#define COMPAT_ASSIGN_STR(field, text)	__assign_str(field, text)
#endif

#ifdef COMPAT_HAS_CONST_DEVNODE	/* since 6.2 */
#define COMPAT_DEVNODE_CONST	const
#else
#define COMPAT_DEVNODE_CONST
#endif

/* Before 5.18 a match table's ids have 8 characters, but aliases any number. */
#if ACPI_ID_LEN > 15
#define COMPAT_ACPI_LONG_ID(id)		{ id },
#define COMPAT_ACPI_LONG_ALIAS(...)
#else
#define COMPAT_ACPI_LONG_ID(...)
#define COMPAT_ACPI_LONG_ALIAS(id)	MODULE_ALIAS("acpi*:" id ":*")
#endif

/**
 * compat_phys_addr_max() - the last physical address that can be mapped
 *
 * The kernel answers an ioremap() above it with a WARN(); firmware must not be
 * able to cause one.
 */
static inline u64 compat_phys_addr_max(void)
{
	u64 max = PHYS_ADDR_MAX;	/* 4 GiB - 1 on x86 without PAE */

#if defined(CONFIG_X86)
	max = min(max, (1ULL << boot_cpu_data.x86_phys_bits) - 1);
#elif defined(MAX_PHYSMEM_BITS)
	max = min(max, (1ULL << MAX_PHYSMEM_BITS) - 1);
#endif
	return max;
}

/**
 * compat_memremap_decrypts() - does memremap() heed MEMREMAP_DEC beside MEMREMAP_WB?
 *
 * Before 6.15 it does not: in a confidential guest it maps what has a name of its own
 * in the memory map, as ACPI NVS memory has, encrypted. The hypervisor's ID is not.
 */
static inline bool compat_memremap_decrypts(void)
{
#if defined(COMPAT_HAS_MEMREMAP_WB_FLAGS)
	return true;
#elif defined(COMPAT_HAS_CC_PLATFORM)	/* since 5.16 */
	return !cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT);
#else
	return !mem_encrypt_active();
#endif
}

/*
 * &file_operations.uring_cmd, where io_uring can cancel a command that waits (since 6.8).
 * On other kernels io_uring answers all commands with -EOPNOTSUPP.
 */
#ifdef COMPAT_HAS_URING_CMD_CANCEL
#define COMPAT_URING_CMD(function)	.uring_cmd = (function),
#else
#define COMPAT_URING_CMD(...)
#endif

#ifndef io_uring_cmd_to_pdu	/* before 6.11 */
#define io_uring_cmd_to_pdu(cmd, type)	((type *)&(cmd)->pdu)
#endif

#ifndef COMPAT_HAS_URING_CMD_DONE32	/* before 6.18: with a second result, for large CQEs */
#define io_uring_cmd_done(cmd, ret, issue_flags) \
	io_uring_cmd_done(cmd, ret, 0, issue_flags)
#endif

/*
 * Queue a task work from a wake-up. Newer kernels want to be told that it is one: they
 * wake others later then, as those may be waiting for the same lock.
 */
#define compat_uring_complete_in_wake(cmd, task_work) \
	__io_uring_cmd_do_in_task(cmd, task_work, COMPAT_URING_IN_WAKE)
#ifdef COMPAT_HAS_URING_IN_WAKE
#define COMPAT_URING_IN_WAKE	IOU_F_TWQ_IN_WAKE
#else
#define COMPAT_URING_IN_WAKE	0
#endif

/* A task work called @name, for io_uring_cmd_complete_in_task(), that calls @function. */
#ifdef COMPAT_HAS_URING_CMD_FROM_TW	/* since 6.19 */
#define COMPAT_URING_TASK_WORK(name, function)					\
static void name(struct io_tw_req tw_req, io_tw_token_t tw)			\
{										\
	function(io_uring_cmd_from_tw(tw_req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS, \
		 tw.cancel);							\
}
#else
/* Before 6.12.49 and 6.17 io_uring does not tell that the ring closes, so look for that too. */
#ifdef COMPAT_HAS_URING_CMD_CANCEL
static inline bool compat_uring_is_dead(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	if (percpu_ref_is_dying(&cmd_to_io_kiocb(cmd)->ctx->refs))
		return true;
#ifdef COMPAT_HAS_URING_F_TASK_DEAD	/* since 6.12 */
	return issue_flags & IO_URING_F_TASK_DEAD;
#else
	return current->flags & (PF_EXITING | PF_KTHREAD);
#endif
}
#endif

#define COMPAT_URING_TASK_WORK(name, function)					\
static void name(struct io_uring_cmd *cmd, unsigned int issue_flags)		\
{										\
	function(cmd, issue_flags, compat_uring_is_dead(cmd, issue_flags));	\
}
#endif

/* The in-tree driver may be loaded after us, and must find its device free. */
#define COMPAT_VMGENID_MAY_LOAD	IS_MODULE(CONFIG_VMGENID)

#endif /* _VMGENCOUNTER_COMPAT_H */
