"""toolchain/cli"""
