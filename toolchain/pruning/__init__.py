"""toolchain/pruning"""
