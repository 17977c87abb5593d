/* SPDX-License-Identifier: MIT */
/*
 * <guiddef.h>: GUIDs. DEFINE_GUID() declares one, or, after <initguid.h>, defines it. Several
 * files may define the same one. The library defines those of the devices, too.
 */
#ifndef VMGENCOUNTER_WIN32_GUIDDEF_H
#define VMGENCOUNTER_WIN32_GUIDDEF_H

#include <string.h>

#ifdef __cplusplus
#define EXTERN_C	extern "C"
#else
#define EXTERN_C	extern
#endif

typedef struct _GUID {
	unsigned int Data1;	/* of 32 bits, as Windows' unsigned long */
	unsigned short Data2;
	unsigned short Data3;
	unsigned char Data4[8];
} GUID, *LPGUID;

typedef const GUID *LPCGUID;
typedef GUID IID, CLSID;

#ifdef __cplusplus
typedef const GUID &REFGUID;

static inline int IsEqualGUID(REFGUID a, REFGUID b)
{
	return !memcmp(&a, &b, sizeof(GUID));
}

static inline bool operator==(REFGUID a, REFGUID b)
{
	return IsEqualGUID(a, b) != 0;
}

static inline bool operator!=(REFGUID a, REFGUID b)
{
	return !(a == b);
}
#else
typedef const GUID *REFGUID;

static inline int IsEqualGUID(REFGUID a, REFGUID b)
{
	return !memcmp(a, b, sizeof(GUID));
}
#endif

#endif /* VMGENCOUNTER_WIN32_GUIDDEF_H */

/* Each time, as <initguid.h> may come after <windows.h>. */
#undef DEFINE_GUID
#ifdef INITGUID
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)	\
	EXTERN_C const GUID name __attribute__((weak));			\
	const GUID name = {						\
		l, w1, w2, { b1, b2, b3, b4, b5, b6, b7, b8 }		\
	}
#else
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)	\
	EXTERN_C const GUID name
#endif
