// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM generation ID device whose ID the guest itself can change: the buffer is
 * in a page that the kernel command line reserves (memmap=4K$0x10000000), and
 * NTFY sends the Notify that a hypervisor would send. The test module
 * vmgen_test finds it by its _HID; drivers find it by its _CID, as always.
 */
DefinitionBlock ("", "SSDT", 2, "VMGENC", "VMGTEST", 0x00000001)
{
	Scope (\_SB)
	{
		Device (VGT0)
		{
			Name (_HID, "VMGT0001")
			Name (_CID, "VM_Gen_Counter")
			Name (_DDN, "VM_Gen_Counter")
			Name (_UID, "test")
			Name (ADDR, Package (2) { 0x10000030, 0 })
			Method (NTFY, 0, NotSerialized)
			{
				Notify (\_SB.VGT0, 0x80)
			}
		}
	}
}
