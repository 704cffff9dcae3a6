"""exporters/passes"""
