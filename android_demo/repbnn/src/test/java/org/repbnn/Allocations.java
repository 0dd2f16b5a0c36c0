package org.repbnn;

/** The switch of tests/android/failing_malloc.c. */
final class Allocations {
    private Allocations() {}

    /** Lets allocation {@code which} of our libraries on this thread fail, none for -1; what the count stood at. */
    static native int failAt(int which);
}
