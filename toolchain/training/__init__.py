"""toolchain/training"""
