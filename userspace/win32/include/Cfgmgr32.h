/* SPDX-License-Identifier: MIT */
/* As programs write it where the names of files have no case. */
#include "cfgmgr32.h"
