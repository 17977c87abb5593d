/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: what goes to the host, and what it invalidates
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vpci

#if !defined(_VPCI_BLOCK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VPCI_BLOCK_TRACE_H

#include <linux/tracepoint.h>

#include "vpci.h"

/* A request is back from hv_pci; @result is 0 or a negative errno. */
TRACE_EVENT(vpci_call,
	    TP_PROTO(const struct vpci_request *rq, int result),
	    TP_ARGS(rq, result),
	    TP_STRUCT__entry(__string(name, dev_name(&rq->f->fn->dev))
			     __field(bool, write)
			     __field(u32, block_id)
			     __field(u32, length)
			     __field(u32, returned)
			     __field(int, result)),
	    TP_fast_assign(COMPAT_ASSIGN_STR(name, dev_name(&rq->f->fn->dev));
			   __entry->write = rq->write;
			   __entry->block_id = rq->block_id;
			   __entry->length = rq->length;
			   __entry->returned = rq->returned;
			   __entry->result = result;),
	    TP_printk("%s %s block=%u length=%u returned=%u result=%d", __get_str(name),
		      __entry->write ? "write" : "read", __entry->block_id, __entry->length,
		      __entry->returned, __entry->result)
);

/* The host has invalidated the blocks of a mask. */
TRACE_EVENT(vpci_invalidated,
	    TP_PROTO(const struct vpci_function *fn, u64 mask),
	    TP_ARGS(fn, mask),
	    TP_STRUCT__entry(__string(name, dev_name(&fn->dev))
			     __field(u64, mask)),
	    TP_fast_assign(COMPAT_ASSIGN_STR(name, dev_name(&fn->dev));
			   __entry->mask = mask;),
	    TP_printk("%s mask=%#llx", __get_str(name), __entry->mask)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE vpci_trace
#include <trace/define_trace.h>
