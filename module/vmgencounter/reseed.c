// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reseed: the kernel's random number generator forgets what clones share
 *
 * add_device_randomness() leaves an ID in the input pool, which the generator takes
 * from once a minute. What reseeds it at once, add_vmfork_randomness(), is exported
 * for no one but a vmgenid that is a module. RNDRESEEDCRNG of /dev/urandom does the
 * same on all kernels, asks for CAP_SYS_ADMIN, and so is for kernel threads here.
 *
 * Lifetime: the file is opened while the platform device is being bound, and is
 * closed when it is unbound, after the work that reseeds has ended. It is found in
 * devtmpfs itself: no path of a process leads there, and it pins nobody's mount.
 *
 * Locks: none. vmgen_announce_work() alone reseeds.
 */

#include <linux/device.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/random.h>

#include "../compat.h"
#include "vmgen.h"

static struct file *vmgen_open_in_devtmpfs(const char *name)
{
	struct file_system_type *type = get_fs_type("devtmpfs");
	struct vfsmount *mnt;
	struct file *file;

	if (!type)
		return ERR_PTR(-ENODEV);
	mnt = kern_mount(type);
	module_put(type->owner);
	if (IS_ERR(mnt))
		return ERR_CAST(mnt);
	file = file_open_root_mnt(mnt, name, O_RDONLY, 0);
	kern_unmount(mnt);		/* the file has a reference of its own */
	return file;
}

static void vmgen_close_urandom(void *urandom)
{
	fput(urandom);
}

int vmgen_open_urandom(struct device *dev, struct vmgen *vg)
{
	struct file *urandom = vmgen_open_in_devtmpfs("urandom");
	int ret;

	if (IS_ERR(urandom)) {
		dev_warn(dev, "devtmpfs has no urandom (error %ld): getrandom() may repeat itself for a minute after a change\n",
			 PTR_ERR(urandom));
		return 0;
	}
	ret = devm_add_action_or_reset(dev, vmgen_close_urandom, urandom);
	if (ret)
		return ret;
	vg->urandom = urandom;
	vg->flags |= VMGENCOUNTER_WAKEUP_AFTER_RESEED;
	return 0;
}

/*
 * A generator that is not ready (-ENODATA) has given nobody anything yet, and takes
 * the ID from the pool when it gets ready.
 */
int vmgen_reseed(struct vmgen *vg, const struct vm_gencounter *id)
{
	struct file *urandom = vg->urandom;
	long ret;

	add_device_randomness(id, sizeof(*id));
	if (!urandom || !urandom->f_op->unlocked_ioctl)
		return -EOPNOTSUPP;
	ret = urandom->f_op->unlocked_ioctl(urandom, RNDRESEEDCRNG, 0);
	return ret == -ENODATA ? 0 : ret;
}
