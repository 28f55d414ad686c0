"""hogblock"""
