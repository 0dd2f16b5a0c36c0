package org.repbnn;

import java.io.File;
import java.util.LinkedHashMap;
import java.util.Map;
import org.tensorflow.lite.Delegate;

/**
 * Runs the binary layers of a larq-compute-engine model inside TensorFlow Lite's own {@code Interpreter}:
 *
 * <pre>{@code
 * RepBnnDelegate delegate = new RepBnnDelegate();
 * Interpreter interpreter = new Interpreter(model, new Interpreter.Options().addDelegate(delegate));
 * }</pre>
 *
 * <p>Works with org.tensorflow:tensorflow-lite 2.16.1; LiteRT 1.4.x has the same interface. LiteRT 2.x has no
 * {@code addDelegate}: use {@link RepBnnInterpreter} there.
 *
 * <p>Threads: any thread may call any method. Close it before or after the interpreters that use it; one delegate
 * serves several interpreters.
 */
public final class RepBnnDelegate implements Delegate, AutoCloseable {
    /** How the delegate works; every setter returns the options. */
    public static final class Options {
        private final Map<String, String> values = new LinkedHashMap<>();

        /** Threads of the binary layers, 1 to 256; by default what the interpreter's options say. */
        public Options setNumThreads(int threads) {
            return set("num_threads", Integer.toString(threads));
        }

        /** {@code auto} (the default), {@code neon}, {@code scalar}, ...: to compare, or to rule one out. */
        public Options setImplementation(String name) {
            return set("implementation", name);
        }

        /** A file that the time of each step is written to when the interpreter closes. */
        public Options setProfiling(File file) {
            return set("profiling", file.getPath());
        }

        /** A file that says, once the interpreter is made, which operator was taken and why another was not. */
        public Options setExplain(File file) {
            return set("explain", file.getPath());
        }

        /** Any option of docs/delegate.md by its own name. */
        public Options set(String key, String value) {
            if (key == null || value == null) throw new NullPointerException("an option's key and value");
            values.put(key, value);
            return this;
        }

        Options copy() {
            Options copy = new Options();
            copy.values.putAll(values);
            return copy;
        }

        long create() {
            NativeLibrary.load();
            String[] keys = values.keySet().toArray(new String[0]);
            return NativeLibrary.createDelegate(keys, values.values().toArray(new String[0]));
        }
    }

    private long handle;

    /** With default options. */
    public RepBnnDelegate() {
        this(new Options());
    }

    /**
     * @throws RepBnnException {@code BAD_OPTION} names the valid ones; {@code WRONG_ABI}, {@code LIBRARY_MISSING} and
     *     {@code PAGE_SIZE} where the native library cannot be loaded.
     */
    public RepBnnDelegate(Options options) {
        handle = options.create();
    }

    /** For the interpreter: a {@code TfLiteDelegate*}. */
    @Override
    public synchronized long getNativeHandle() {
        if (handle == 0) throw new IllegalStateException("the RepBnnDelegate is closed, so make a new one");
        return handle;
    }

    /** Frees the delegate; interpreters that were made with it go on. A second call does nothing. */
    @Override
    public synchronized void close() {
        long closing = handle;
        handle = 0;
        if (closing != 0) NativeLibrary.deleteDelegate(closing);
    }
}
