"""toolchain/data"""
