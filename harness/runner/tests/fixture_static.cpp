// A program without a dynamic linker: LD_PRELOAD has no effect on it and says nothing about that.
int main() { return 0; }
