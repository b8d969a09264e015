"""The CUDA driver: the same rules, compiled by `numba.cuda`, over tables of the same layout.

``target`` and ``driver``   the only modules that import CUDA: what kernels are compiled with, and run with
``simulated``               their twins in plain Python, for Numba's simulator; ``words`` and ``runtime`` choose
``functions``               a rule's functions and `fastopt.scalar` for the device
``kernels``                 kernels over elements: updates, moves, sums
``lines``, ``rows``         kernels over rows and columns of matrices, and over touched rows
``tensors``                 kernels with a thread for every tensor: step counts and coefficients
``norms``                   kernels over gradients by themselves, and what is decided from their norms
``offline``                 kernels as PTX or machine code, without a device
``toolkit``                 NVIDIA's linker and disassembler, found where they are installed
``machine_code``            loops, instructions and accesses to memory, read from what the disassembler prints
``statistics``              what a kernel costs by its machine code, and what no kernel can be faster than
"""
