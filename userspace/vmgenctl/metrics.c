// SPDX-License-Identifier: GPL-2.0-only
/*
 * info --openmetrics: what a machine's monitoring wants to know of its generation
 *
 * OpenMetrics and the older text format of Prometheus, which the node exporter's textfile
 * collector reads, have in common what is used here: the types counter and gauge, and lines that
 * the older one takes for comments. There are no times behind the values, as that collector
 * refuses them. To it a counter's sample, whose name is not that of the counter, has no type.
 *
 * The ID is no metric: as a label it would make each generation a series of its own, and it
 * would leave the machine.
 */
#include <stdio.h>

#include "vmgenctl.h"

#define PREFIX	"vmgencounter_"

static void begin_metric(const char *name, const char *type, const char *unit, const char *help)
{
	printf("# TYPE " PREFIX "%s %s\n", name, type);
	if (unit)
		printf("# UNIT " PREFIX "%s %s\n", name, unit);
	printf("# HELP " PREFIX "%s %s\n", name, help);
}

static void print_gauge(const char *name, bool value, const char *help)
{
	begin_metric(name, "gauge", NULL, help);
	printf(PREFIX "%s %d\n", name, value);
}

static void print_changes(const struct vmgencounter_info *info)
{
	begin_metric("changes", "counter", NULL,
		     "New generations that the kernel has seen since it took the device.");
	printf(PREFIX "changes_total %llu\n", info->changes);
	begin_metric("last_change_timestamp_seconds", "gauge", "seconds",
		     "When it has seen the last one; 0 if none.");
	printf(PREFIX "last_change_timestamp_seconds %lld\n", (long long)changed_at(info));
}

/* Who cannot wait by /dev/vmgencounter_id does not know if others can by the other node. */
void print_metrics(const struct vmgencounter_info *info)
{
	print_changes(info);
	print_gauge("reseeded", is_reseeded(info),
		    "1 if the kernel's random numbers are this generation's own.");
	print_gauge("id_trusted", !(info->flags & VMGENCOUNTER_ID_UNTRUSTED),
		    "0 if the ID may be an old one, after hibernation.");
	if (!(info->flags & VMGENCOUNTER_PUBLIC))
		print_gauge("wakeup", info->flags & VMGENCOUNTER_WAKEUP,
			    "1 if the kernel hears of changes, so that programs can wait for them.");
	printf("# EOF\n");
}
