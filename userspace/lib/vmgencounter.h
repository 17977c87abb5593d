/* SPDX-License-Identifier: MIT */
/*
 * libvmgencounter: the generation ID of the virtual machine, for C (C99) and C++ (C++11)
 *
 * vmgencounter(3) has every error and guarantee. In short: open a handle, get the ID, set up
 * a watch for it, and look at the watch before each use of what must not be repeated:
 *
 *	if (vmgen_changed(&watch)) {
 *		vmgen_get(vmgen, &id);
 *		... throw away what was derived from the past ...
 *		vmgen_watch_set(vmgen, &id, &watch);
 *	}
 *
 * Functions that return int fail with -1 and errno.
 *
 * Threads: all of a handle can be used by all threads at the same time, but one alone may
 * be in vmgen_wait(). A watch is the caller's own memory.
 */
#ifndef VMGENCOUNTER_H
#define VMGENCOUNTER_H

#include <stddef.h>
#include <linux/vmgencounter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmgen;

/* The words of an ID; a processor reads a word at once. */
#define VMGEN_WORDS	(sizeof(struct vm_gencounter) / sizeof(unsigned long))

/**
 * struct vmgen_watch - what vmgen_changed() compares; made by vmgen_watch_set()
 * @id:    where the ID is mapped, or NULL
 * @known: the known ID, as it would stand there
 * @vmgen: the handle, which must not be closed before the last look
 */
struct vmgen_watch {
	const unsigned long *id;
	unsigned long known[VMGEN_WORDS];
	const struct vmgen *vmgen;
};

/**
 * enum vmgen_format - the ways in which an ID is printed
 * @VMGEN_FORMAT_WINDOWS: two numbers, LOW:HIGH, as Microsoft's example prints it
 * @VMGEN_FORMAT_GUID: as QEMU, libvirt and the attribute generation_guid have it
 * @VMGEN_FORMAT_HEX: the 16 bytes in the order in which they are in memory
 */
enum vmgen_format {
	VMGEN_FORMAT_WINDOWS,
	VMGEN_FORMAT_GUID,
	VMGEN_FORMAT_HEX
};

/* @path: NULL for /dev/vmgencounter or, where that cannot be had, /dev/vmgencounter_id. */
struct vmgen *vmgen_open(const char *path);
void vmgen_close(struct vmgen *vmgen);

/* For poll() and epoll: readable while the ID is not what vmgen_wait() looked at last. */
int vmgen_fd(const struct vmgen *vmgen);

int vmgen_info(struct vmgen *vmgen, struct vmgencounter_info *info);
int vmgen_get(struct vmgen *vmgen, struct vm_gencounter *id);

/* 1: the ID differs from @known, and is in @now; 0: @timeout_ms are over. -1: no timeout. */
int vmgen_wait(struct vmgen *vmgen, const struct vm_gencounter *known,
	       struct vm_gencounter *now, int timeout_ms);

void vmgen_watch_set(const struct vmgen *vmgen, const struct vm_gencounter *known,
		     struct vmgen_watch *watch);

/* For vmgen_changed() alone. */
int vmgen_changed_slow(const struct vmgen_watch *watch);

/*
 * Does the ID differ from the one that @watch knows? Where the page is mapped this is a few
 * loads and no system call. Where it is not, and the device is gone, the answer is yes.
 *
 * A change between two loads does no harm. The words are then a mixture that is no ID. If
 * one of them is new it differs, and that is right; vmgen_get() reads until it has an ID. If
 * none is, the look was before the change. 32-bit processors have four words instead of two.
 */
static inline int vmgen_changed(const struct vmgen_watch *watch)
{
	unsigned long differ = 0;
	unsigned int i;

	if (__builtin_expect(!watch->id, 0))
		return vmgen_changed_slow(watch);
	for (i = 0; i < VMGEN_WORDS; i++)
		differ |= __atomic_load_n(&watch->id[i], __ATOMIC_RELAXED) ^ watch->known[i];
	return differ != 0;
}

/* As snprintf(): the length, however much of it there was room for. */
int vmgen_format(const struct vm_gencounter *id, enum vmgen_format format,
		 char *buf, size_t size);

/* Any of the formats, and nothing beside it. */
int vmgen_parse(const char *text, struct vm_gencounter *id);

/* Of the library that is loaded, such as "0.2.0". */
const char *vmgen_version(void);

#ifdef __cplusplus
}
#endif

#endif /* VMGENCOUNTER_H */
