/* SPDX-License-Identifier: MIT */
/* <sal.h>: annotations of Microsoft's compiler, which say nothing here. */
#ifndef VMGENCOUNTER_WIN32_SAL_H
#define VMGENCOUNTER_WIN32_SAL_H

#define _In_
#define _In_opt_
#define _In_z_
#define _In_opt_z_
#define _In_reads_(count)
#define _In_reads_opt_(count)
#define _In_reads_bytes_(size)
#define _In_reads_bytes_opt_(size)
#define _Inout_
#define _Inout_opt_
#define _Out_
#define _Out_opt_
#define _Out_writes_(count)
#define _Out_writes_opt_(count)
#define _Out_writes_bytes_(size)
#define _Out_writes_bytes_opt_(size)
#define _Check_return_
#define _Must_inspect_result_
#define _Success_(condition)
#define _Use_decl_annotations_
#define _Function_class_(name)

#endif /* VMGENCOUNTER_WIN32_SAL_H */
