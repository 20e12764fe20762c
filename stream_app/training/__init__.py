"""Trains and scores the models; needs the packages of the extra ``training``."""
