"""toolchain/pruning/criteria"""
