// A decent shared object that is no module at all.
extern "C" __attribute__((visibility("default"))) int something_else() { return 42; }
