// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware that gets ADDR wrong in every way, one device each, and then two
 * devices that are right: only the first of those may be taken. The page
 * 0x10000000 is reserved on the kernel command line, what is below it is RAM. The
 * counter of the HPET is an ID that never stands still; arm64 has none.
 */
DefinitionBlock ("", "SSDT", 2, "VMGENC", "VMGBROKE", 0x00000001)
{
	Scope (\_SB)
	{
		Device (VGB0)
		{
			Name (_HID, "VMGB0000")
			Name (_CID, "VM_Gen_Counter")
		}
		Device (VGB1)
		{
			Name (_HID, "VMGB0001")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Buffer (8) { 0x30, 0x00, 0x00, 0x1f })
		}
		Device (VGB2)
		{
			Name (_HID, "VMGB0002")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (1) { 0x10000030 })
		}
		Device (VGB3)
		{
			Name (_HID, "VMGB0003")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (3) { 0x10000030, 0, 0 })
		}
		Device (VGB4)
		{
			Name (_HID, "VMGB0004")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (2) { "0x10000030", 0 })
		}
		Device (VGB5)
		{
			Name (_HID, "VMGB0005")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (2) { 0, 0 })
		}
		Device (VGB6)
		{
			Name (_HID, "VMGB0006")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (2) { 0x10000034, 0 })
		}
		Device (VGB7)
		{
			Name (_HID, "VMGB0007")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (2) { 0xfffffff8, 0xffffffff })
		}
		Device (VGB8)
		{
			Name (_HID, "VMGB0008")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (2) { 0x10000030, 0x7fffffff })
		}
		Device (VGB9)
		{
			Name (_HID, "VMGB0009")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (2) { 0x0ffffff8, 0 })
		}
		Device (VGBC)
		{
			Name (_HID, "VMGB000C")
			Name (_CID, "VMGENCTR")
			Name (ADDR, Package (2) { 0xfed000f0, 0 })
		}
		Device (VGBA)
		{
			Name (_HID, "VMGB000A")
			Name (_CID, "VMGENCTR")
			Name (ADDR, Package (2) { 0x10000030, 0 })
		}
		Device (VGBB)
		{
			Name (_HID, "VMGB000B")
			Name (_CID, "VM_Gen_Counter")
			Name (ADDR, Package (2) { 0x10000060, 0 })
		}
	}
}
