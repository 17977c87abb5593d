/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What hv_pci takes from hv_vmbus, by the names that vpci_sim gives it
 *
 * Included first in all of vpci_sim and, by the compiler's option, in Debian's
 * pci-hyperv.c, so that the prototypes of <linux/hyperv.h> get the new names, too: the
 * compiler compares them with vpci_sim. The kernel's own hv_vmbus may be there as well.
 */
#ifndef VPCI_VMBUS_H
#define VPCI_VMBUS_H

#define hv_is_hyperv_initialized	vsim_is_hyperv_initialized
#define hv_vmbus_exists			vsim_vmbus_exists
#define __vmbus_driver_register		vsim_driver_register
#define vmbus_driver_unregister		vsim_driver_unregister
#define vmbus_open			vsim_open
#define vmbus_close			vsim_close
#define vmbus_sendpacket		vsim_sendpacket
#define vmbus_sendpacket_getid		vsim_sendpacket_getid
#define vmbus_recvpacket_raw		vsim_recvpacket_raw
#define vmbus_next_request_id		vsim_next_request_id
#define vmbus_request_addr		vsim_request_addr
#define vmbus_request_addr_match	vsim_request_addr_match
#define __vmbus_request_addr_match	vsim_request_addr_match_locked
#define vmbus_allocate_mmio		vsim_allocate_mmio
#define vmbus_free_mmio			vsim_free_mmio

#include <linux/hyperv.h>
#include <asm/mshyperv.h>

bool vsim_vmbus_exists(void);		/* not in older kernels */
int vsim_sendpacket_getid(struct vmbus_channel *channel, void *buffer, u32 length,
			  u64 request, u64 *trans_id, enum vmbus_packet_type type,
			  u32 flags);	/* the same */

#endif
