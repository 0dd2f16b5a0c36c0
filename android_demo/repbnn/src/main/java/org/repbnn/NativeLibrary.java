package org.repbnn;

import android.os.Build;
import android.os.Process;
import android.system.Os;
import android.system.OsConstants;
import java.nio.ByteBuffer;

/** The door to librepbnn_jni.so: loads it once, says clearly why it cannot, and declares what it exports. */
final class NativeLibrary {
    private static final String LIBRARY = "repbnn_jni";
    private static final long USUAL_PAGE = 4096;

    /**
     * Libraries with TFLite's C interface, as the known artifacts name them: org.tensorflow:tensorflow-lite and LiteRT
     * 1.x, LiteRT 2.x, TensorFlow's own builds, bytedeco's.
     */
    private static final String[] RUNTIMES = {
        "tensorflowlite_jni", "LiteRt", "litert_runtime_c_api_shared_lib", "tensorflowlite_c", "tensorflowlite",
        "tensorflow-lite"
    };

    private static boolean loaded;
    private static boolean runtimeLoaded;

    private NativeLibrary() {}

    /** Loads our libraries; the second call and all later ones are free. */
    static synchronized void load() {
        if (loaded) return;
        try {
            System.loadLibrary(LIBRARY);
        } catch (UnsatisfiedLinkError error) {
            throw LoadFailure.ofOurs(error, Build.SUPPORTED_ABIS, Process.is64Bit(), pageSize());
        }
        loaded = true;
    }

    /** Loads the app's TensorFlow Lite and looks up its C interface. */
    static synchronized void loadRuntime() {
        load();
        if (runtimeLoaded) return;
        StringBuilder tried = new StringBuilder();
        for (String name : RUNTIMES) {
            try {
                System.loadLibrary(name);
            } catch (UnsatisfiedLinkError error) {
                tried.append('\n').append(name).append(": ").append(error.getMessage());
                continue;
            }
            String why = openRuntime(System.mapLibraryName(name));
            if (why == null) {
                runtimeLoaded = true;
                return;
            }
            tried.append('\n').append(name).append(": ").append(why);
        }
        throw LoadFailure.ofRuntime(tried.toString(), pageSize());
    }

    private static long pageSize() {
        long size = Os.sysconf(OsConstants._SC_PAGESIZE);
        return size > 0 ? size : USUAL_PAGE;
    }

    /** Called by native code to make the exception that it throws; {@code stage} is what it was doing. */
    @SuppressWarnings("unused")
    private static RepBnnException failure(String stage, String message) {
        return NativeFailure.of(stage, message);
    }

    /** Null, or why the library cannot serve. */
    private static native String openRuntime(String fileName);

    /** The runtime's own version, "2.16.1". */
    static native String runtimeVersion();

    /** A TfLiteDelegate*, never 0. */
    static synchronized native long createDelegate(String[] keys, String[] values);

    static native void deleteDelegate(long delegate);

    /** An engine, never 0; {@code model} is direct and stays reachable as long as the engine, {@code delegate} may be 0. */
    static native long createEngine(ByteBuffer model, int threads, long delegate);

    static native void deleteEngine(long engine);

    /** [inputs, outputs]. */
    static native int[] tensorCounts(long engine);

    /** [type, bytes, dimension, ...]. */
    static native int[] tensorLayout(long engine, boolean input, int index);

    static native String tensorName(long engine, boolean input, int index);

    /** [scale, zero point]; scale 0 without quantisation. */
    static native float[] tensorQuantization(long engine, boolean input, int index);

    /** {@code data} is direct, and exactly as large as the tensor. */
    static native void writeInput(long engine, int index, ByteBuffer data);

    /** {@code data} is direct, and exactly as large as the tensor. */
    static native void readOutput(long engine, int index, ByteBuffer data);

    /** Told of the times of some runs, between runs. */
    interface RunListener {
        /** False ends the measurement. */
        boolean onRuns(long[] nanoseconds);
    }

    /** [runs, 1 if two windows in a row agreed]. */
    static native int[] warmUp(long engine, int leastRuns);

    /** Runs until both {@code runs} and {@code leastSeconds} are met, or {@code mostSeconds}. */
    static native void measure(long engine, int runs, double leastSeconds, double mostSeconds, RunListener listener);

    /** Runs the network; nanoseconds that it took, by the clock that the bench uses. */
    static native long invoke(long engine);
}
