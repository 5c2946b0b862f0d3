"""What this machine is: the snapshot of `/api/hardware`.

    snapshot      its shape, and what makes one invalid
    capture       puts one together
    lookup        when it does: on demand, kept for a while, within a time budget
    host          architecture, operating system, processors, memory
    environment   on the metal, in a container or in a virtual machine
    accelerators  GPUs of all sources, merged by PCI address, and those that only the drivers of Linux know
    vendors       GPUs that a vendor's tool or library knows

Best effort throughout: what cannot be found out is null. Bus addresses and serial numbers stay in here.
"""
