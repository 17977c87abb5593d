// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer that begins 8 bytes before a page ends. Both pages are reserved on
 * the kernel command line (memmap=8K$0x10000000).
 */
DefinitionBlock ("", "SSDT", 2, "VMGENC", "VMGCROSS", 0x00000001)
{
	Device (\_SB.VGB0)
	{
		Name (_HID, "VMGB0000")
		Name (_CID, "VM_Gen_Counter")
		Name (ADDR, Package (2) { 0x10000ff8, 0 })
	}
}
