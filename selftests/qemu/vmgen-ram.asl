// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer in System RAM, which the kernel may use and must not show.
 */
DefinitionBlock ("", "SSDT", 2, "VMGENC", "VMGRAM", 0x00000001)
{
	Device (\_SB.VGB0)
	{
		Name (_HID, "VMGB0000")
		Name (_CID, "VM_Gen_Counter")
		Name (ADDR, Package (2) { 0x08000040, 0 })
	}
}
