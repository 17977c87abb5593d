/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vpci_fake and vpci_sim share: the device to which tests write what the host is to
 * do, the words of these commands, and the blocks. It is in a header, as kbuild warns of an
 * object that is part of two modules.
 */
#ifndef VPCI_HOST_H
#define VPCI_HOST_H

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/hyperv.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#ifdef VPCI_HAS_HEX_H
#include <linux/hex.h>
#endif

/* What does not come about in so long never does. 0 or an error. */
#define vpci_host_await(queue, condition) ({					\
	long left_ = wait_event_killable_timeout(queue, condition, 100 * HZ);	\
										\
	left_ > 0 ? 0 : left_ ?: -ETIME;					\
})

/* ---- counters ---- */

struct vpci_host_counters {
	unsigned int reads, writes, kept, errors;
	u32 last_id, last_length;	/* of what was written last */
	u8 last[HV_CONFIG_BLOCK_SIZE_MAX];
};

static inline void vpci_host_count_write(struct vpci_host_counters *counters, u32 id,
					 const void *bytes, u32 length)
{
	counters->writes++;
	counters->last_id = id;
	counters->last_length = length;
	memcpy(counters->last, bytes, length);
}

/* ---- blocks ---- */

struct vpci_host_block {
	u32 length;
	u8 bytes[HV_CONFIG_BLOCK_SIZE_MAX];
};

static inline struct vpci_host_block *vpci_host_new_block(const char *hex)
{
	struct vpci_host_block *block = kzalloc(sizeof(*block), GFP_KERNEL);
	const size_t digits = strlen(hex);

	if (!block)
		return ERR_PTR(-ENOMEM);
	block->length = digits / 2;
	if (digits % 2 || digits / 2 > sizeof(block->bytes) ||
	    hex2bin(block->bytes, hex, block->length)) {
		kfree(block);
		return ERR_PTR(-EINVAL);
	}
	return block;
}

/* Answers are made from @blocks with the @lock held. No @hex: there is no such block. */
static inline int vpci_host_set_block(struct xarray *blocks, spinlock_t *lock, u32 id,
				      const char *hex)
{
	struct vpci_host_block *block = *hex ? vpci_host_new_block(hex) : NULL;
	struct vpci_host_block *old;

	if (IS_ERR(block))
		return PTR_ERR(block);
	old = xa_store(blocks, id, block, GFP_KERNEL);
	if (xa_is_err(old)) {
		kfree(block);
		return xa_err(old);
	}
	spin_lock_irq(lock);	/* an answer may have been copying it */
	spin_unlock_irq(lock);
	kfree(old);
	return 0;
}

static inline void vpci_host_free_blocks(struct xarray *blocks)
{
	struct vpci_host_block *block;
	unsigned long id;

	xa_for_each(blocks, id, block)
		kfree(block);
	xa_destroy(blocks);
}

/* ---- words of commands ---- */

enum vpci_host_how {
	HOST_OK,
	HOST_NEVER,
	HOST_EMPTY,
	HOST_TWICE,
	HOST_AGAIN,
	HOST_RUNT,
	HOST_FULL,
	HOST_FAILS,			/* from here on with an argument */
	HOST_SHORT,
	HOST_LONG,
};

/* How "answer" wants answers to be, or an error. Not every host can do all of it. */
static inline int vpci_host_parse_how(const char *words, u32 *argument)
{
	static const char * const plain[] = {
		[HOST_OK]	= "ok",
		[HOST_NEVER]	= "never",
		[HOST_EMPTY]	= "empty",
		[HOST_TWICE]	= "twice",
		[HOST_AGAIN]	= "again",
		[HOST_RUNT]	= "runt",
		[HOST_FULL]	= "full",
	};
	int i;

	*argument = 0;
	for (i = 0; i < ARRAY_SIZE(plain); i++) {
		if (!strcmp(words, plain[i]))
			return i;
	}
	if (sscanf(words, "status %x", argument) == 1)
		return HOST_FAILS;
	if (sscanf(words, "short %u", argument) == 1)
		return HOST_SHORT;
	if (sscanf(words, "long %u", argument) == 1 && *argument <= PAGE_SIZE)
		return HOST_LONG;
	return -EINVAL;
}

/* The devfn of DD.F, and the MASK behind it unless that is NULL; or an error. */
static inline int vpci_host_parse_function(const char *words, u64 *mask)
{
	unsigned int slot, function;
	u64 number;
	int count = sscanf(words, "%x.%x %llx", &slot, &function, &number);

	if (count < (mask ? 3 : 2) || slot >= 32 || function >= 8)
		return -EINVAL;
	if (mask)
		*mask = number;
	return PCI_DEVFN(slot, function);
}

/* What a command does with the function DD.F. */
static inline int vpci_host_for_function(const char *words, int (*act)(unsigned int devfn))
{
	int devfn = vpci_host_parse_function(words, NULL);

	return devfn < 0 ? devfn : act(devfn);
}

/* ---- the device ---- */

struct vpci_host {
	struct miscdevice misc;
	int (*command)(const char *line);
	void (*get_counters)(struct vpci_host_counters *counters);
};

static inline struct vpci_host *vpci_host_of(const struct file *file)
{
	return container_of(file->private_data, struct vpci_host, misc);
}

static inline ssize_t vpci_host_write(struct file *file, const char __user *buf,
				      size_t count, loff_t *pos)
{
	char *line;
	int ret;

	if (count > PAGE_SIZE)
		return -EINVAL;
	line = memdup_user_nul(buf, count);
	if (IS_ERR(line))
		return PTR_ERR(line);
	ret = vpci_host_of(file)->command(strim(line));
	kfree(line);
	return ret ?: count;
}

static inline ssize_t vpci_host_read(struct file *file, char __user *buf,
				     size_t count, loff_t *pos)
{
	char hex[2 * HV_CONFIG_BLOCK_SIZE_MAX + 1], line[512];
	struct vpci_host_counters now;
	int length;

	vpci_host_of(file)->get_counters(&now);
	*bin2hex(hex, now.last, now.last_length) = '\0';
	length = scnprintf(line, sizeof(line),
			   "requests %u reads %u writes %u kept %u last-write %u:%s errors %u\n",
			   now.reads + now.writes, now.reads, now.writes, now.kept,
			   now.last_id, hex, now.errors);
	return simple_read_from_buffer(buf, count, pos, line, length);
}

static const struct file_operations vpci_host_fops __maybe_unused = {
	.owner	= THIS_MODULE,
	.read	= vpci_host_read,
	.write	= vpci_host_write,
};

/* /dev/vpci_host, with the two functions that are in @host already. */
static inline int vpci_host_register(struct vpci_host *host)
{
	host->misc.minor = MISC_DYNAMIC_MINOR;
	host->misc.name = "vpci_host";
	host->misc.mode = 0600;
	host->misc.fops = &vpci_host_fops;
	return misc_register(&host->misc);
}

#endif
