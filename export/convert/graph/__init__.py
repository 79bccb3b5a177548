"""Graphs of ONNX models: conversion from Keras, and the layout of their input."""
