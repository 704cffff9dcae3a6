"""toolchain/recipes"""
