// The library that only one module needs.
extern "C" __attribute__((visibility("default"))) int times_asked() {
    static int times = 0;
    return ++times;
}
