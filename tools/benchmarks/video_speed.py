def measure_speed(x):
    return {}
