// SPDX-License-Identifier: MIT
/* The GUIDs of the devices, for programs that do without <initguid.h>. */
#include <initguid.h>
#include <windows.h>
#include <vmgenerationcounter.h>
#include <vpci.h>
