package org.repbnn;

import java.util.Arrays;

/** Why a library cannot be loaded, and which line mends it. Pure functions, so that each sentence has a test. */
final class LoadFailure {
    private static final String DEPENDENCY = "implementation 'org.tensorflow:tensorflow-lite:2.16.1'";
    private static final long SMALL_PAGE = 4096;

    private LoadFailure() {}

    /** Our own library: not in the app for this processor, or refused by the loader. */
    static RepBnnException ofOurs(UnsatisfiedLinkError error, String[] abis, boolean is64Bit, long pageSize) {
        if (!is64Bit) {
            String why = "RepBNN needs a 64-bit process: this one runs as " + (abis.length > 0 ? abis[0] : "32-bit code")
                    + " on a device for " + Arrays.toString(abis)
                    + ", so keep arm64-v8a (or x86_64) among the app's ABIs; 32-bit phones are not supported.";
            return new RepBnnException(RepBnnException.Reason.WRONG_ABI, why, error);
        }
        if (isPageTrouble(error.getMessage(), pageSize)) {
            return new RepBnnException(RepBnnException.Reason.PAGE_SIZE, "librepbnn_jni.so: this device has pages of "
                    + pageSize + " bytes and the app packs the library at another alignment, so build the app with"
                    + " `zipalign -P 16` or the Android Gradle plugin 8.5.1 or newer: " + error.getMessage(), error);
        }
        String why = "librepbnn_jni.so cannot be loaded on " + Arrays.toString(abis)
                + ", so add the whole repbnn .aar to the app and keep arm64-v8a and x86_64 among its ABIs: "
                + error.getMessage();
        return new RepBnnException(RepBnnException.Reason.LIBRARY_MISSING, why, error);
    }

    /** No library with TFLite's C interface could be opened; {@code tried} has a line for each. */
    static RepBnnException ofRuntime(String tried, long pageSize) {
        if (isPageTrouble(tried, pageSize)) {
            return new RepBnnException(RepBnnException.Reason.PAGE_SIZE,
                    "TensorFlow Lite 2.16.1 is laid out for pages of 4 KB and this device has pages of " + pageSize
                            + " bytes, so use LiteRT in its place:"
                            + " implementation 'com.google.ai.edge.litert:litert:2.1.0'." + tried);
        }
        return new RepBnnException(RepBnnException.Reason.RUNTIME_MISSING,
                "The app has no TensorFlow Lite that RepBNN can use, so add one line to its dependencies: " + DEPENDENCY
                        + " (Play services' runtime cannot take delegates)." + tried);
    }

    private static boolean isPageTrouble(String message, long pageSize) {
        if (pageSize <= SMALL_PAGE || message == null) return false;
        String text = message.toLowerCase(java.util.Locale.ROOT);
        return text.contains("align") || text.contains("page size");
    }
}
