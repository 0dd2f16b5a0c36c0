package org.repbnn;

import android.content.Context;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Runs a larq-compute-engine model on whichever TensorFlow Lite the app has, through its C interface: for LiteRT 2.x,
 * whose Java interface has no {@code addDelegate}, and for everyone who wants one class less to know.
 *
 * <p>Threads: any thread may call any method. Calls on one object run one after the other: a second thread waits, and
 * {@link #close} waits for the run that is going on. Keep it off the main thread.
 */
public final class RepBnnInterpreter implements AutoCloseable {
    /** How a model is opened; every setter returns the options. */
    public static final class Options {
        private int threads = 1;
        private boolean plainModels;
        private RepBnnDelegate.Options delegate = new RepBnnDelegate.Options();

        /** Threads of the runtime and of the binary layers, 1 to 256; 1 by default. */
        public Options setNumThreads(int count) {
            if (count < 1 || count > 256) {
                throw new RepBnnException(RepBnnException.Reason.BAD_OPTION,
                        "The number of threads is " + count + ", so give one of 1 to 256.");
            }
            threads = count;
            return this;
        }

        /** Also open models without a binary layer, which the runtime then runs alone: to compare. */
        public Options allowPlainModels(boolean allowed) {
            plainModels = allowed;
            return this;
        }

        /** Options of the delegate itself. */
        public Options setDelegateOptions(RepBnnDelegate.Options options) {
            delegate = options.copy();
            return this;
        }

        Options copy() {
            Options copy = new Options().allowPlainModels(plainModels).setDelegateOptions(delegate);
            copy.threads = threads;
            return copy;
        }
    }

    private final ByteBuffer model; // the engine reads it as long as it lives
    private final ModelMetadata metadata;
    private final Tensor[] inputs;
    private final Tensor[] outputs;
    private final String runtimeVersion;
    private long engine;
    private long delegate;
    private long lastNanoseconds;

    /** A model of the app's assets, with default options. */
    public static RepBnnInterpreter create(Context context, String asset) throws IOException {
        return create(context, asset, new Options());
    }

    /**
     * A model of the app's assets. Stored uncompressed ({@code noCompress 'tflite'}) it is mapped, else unpacked into
     * memory.
     *
     * @throws IOException the asset is missing or cannot be read.
     * @throws RepBnnException as {@link #RepBnnInterpreter(ByteBuffer, Options)} does.
     */
    public static RepBnnInterpreter create(Context context, String asset, Options options) throws IOException {
        return new RepBnnInterpreter(ModelFile.ofAsset(context.getAssets(), asset), options);
    }

    /**
     * A model of a file.
     *
     * @throws IOException the file is missing or cannot be read.
     * @throws RepBnnException as {@link #RepBnnInterpreter(ByteBuffer, Options)} does.
     */
    public static RepBnnInterpreter create(File file, Options options) throws IOException {
        return new RepBnnInterpreter(ModelFile.ofFile(file), options);
    }

    /**
     * A model in memory.
     *
     * @param model the whole file, from position 0 to its capacity. A direct buffer is used in place and must not
     *     change as long as the interpreter lives; any other is copied.
     * @throws RepBnnException {@code BAD_MODEL}, {@code NOT_BINARY}, {@code OPERATOR_REFUSED}, {@code BAD_OPTION}, and
     *     {@code RUNTIME_MISSING} and its like where a library is missing.
     * @throws OutOfMemoryError the model does not fit.
     */
    public RepBnnInterpreter(ByteBuffer model, Options options) {
        this.model = ModelFile.direct(model);
        Options chosen = options.copy();
        metadata = ModelMetadata.read(this.model);
        boolean binary = metadata.getBinaryConvolutionCount() > 0;
        if (!binary && !chosen.plainModels) {
            throw new RepBnnException(RepBnnException.Reason.NOT_BINARY,
                    "The model has no binary layer, so convert a binary network with repbnn-edge convert, or open it"
                            + " with Options.allowPlainModels(true) and let TensorFlow Lite run it alone.");
        }
        NativeLibrary.loadRuntime();
        runtimeVersion = NativeLibrary.runtimeVersion();
        boolean done = false;
        try {
            // An operator that is not taken has no other place to run: the delegate's reason is then the message.
            if (binary) delegate = chosen.delegate.copy().set("require_all", "true").create();
            engine = NativeLibrary.createEngine(this.model, chosen.threads, delegate);
            int[] counts = NativeLibrary.tensorCounts(engine);
            inputs = describe(true, counts[0]);
            outputs = describe(false, counts[1]);
            done = true;
        } finally {
            if (!done) close();
        }
    }

    private Tensor[] describe(boolean input, int count) {
        Tensor[] tensors = new Tensor[count];
        for (int i = 0; i < count; i++) {
            tensors[i] = new Tensor(NativeLibrary.tensorName(engine, input, i),
                    NativeLibrary.tensorLayout(engine, input, i), NativeLibrary.tensorQuantization(engine, input, i));
        }
        return tensors;
    }

    /** What the file says about itself. */
    public ModelMetadata getMetadata() {
        return metadata;
    }

    /** How many inputs the network has. */
    public int getInputCount() {
        return inputs.length;
    }

    /** Input {@code index}. */
    public Tensor getInput(int index) {
        return inputs[index];
    }

    /** How many outputs the network has. */
    public int getOutputCount() {
        return outputs.length;
    }

    /** Output {@code index}. */
    public Tensor getOutput(int index) {
        return outputs[index];
    }

    /** The version of the TensorFlow Lite that runs it. */
    public String getRuntimeVersion() {
        return runtimeVersion;
    }

    /**
     * Runs a network of one input and one output.
     *
     * @param input a direct buffer of the first input's size; all of it is read, whatever its position.
     * @param output likewise for the first output; all of it is written.
     */
    public void run(ByteBuffer input, ByteBuffer output) {
        run(new ByteBuffer[] {input}, new ByteBuffer[] {output});
    }

    /**
     * Runs the network.
     *
     * @param in a direct buffer an input, each exactly as large as its tensor.
     * @param out likewise for the outputs.
     * @throws RepBnnException {@code BAD_SHAPE}: a buffer of another number, kind or size; {@code RUN_FAILED}.
     */
    public synchronized void run(ByteBuffer[] in, ByteBuffer[] out) {
        requireOpen();
        check(in, inputs, "input");
        check(out, outputs, "output");
        for (int i = 0; i < in.length; i++) NativeLibrary.writeInput(engine, i, in[i]);
        lastNanoseconds = NativeLibrary.invoke(engine);
        for (int i = 0; i < out.length; i++) NativeLibrary.readOutput(engine, i, out[i]);
    }

    /** What the last run took inside the runtime, copies not counted; 0 before the first. */
    public synchronized double getLastMilliseconds() {
        return lastNanoseconds / 1e6;
    }

    /**
     * Measures the network as {@code repbnn-edge bench} does, with the same native code: on seeded noise, warmed up
     * until it is steady, then run until both {@code runs} and {@code leastSeconds} are met, or {@code mostSeconds}.
     *
     * @param warmupRuns the least number of runs before the first counted one.
     * @param progress told between runs; may be null.
     */
    public synchronized Measurement measure(
            int warmupRuns, int runs, double leastSeconds, double mostSeconds, Measurement.Progress progress) {
        requireOpen();
        Noise.fill(engine, inputs);
        double first = NativeLibrary.invoke(engine) / 1e6;
        ByteBuffer[] once = read();
        NativeLibrary.invoke(engine);
        boolean repeatable = Noise.isFiniteAndEqual(outputs, once, read());
        int[] warmup = NativeLibrary.warmUp(engine, warmupRuns);
        RunLog log = new RunLog(progress);
        NativeLibrary.measure(engine, Math.max(runs, 1), leastSeconds, mostSeconds, log);
        return new Measurement(first, repeatable, warmup, log.milliseconds());
    }

    private ByteBuffer[] read() {
        ByteBuffer[] values = new ByteBuffer[outputs.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = outputs[i].allocate();
            NativeLibrary.readOutput(engine, i, values[i]);
        }
        return values;
    }

    /** Frees everything, once the run that is going on has ended. A second call does nothing. */
    @Override
    public synchronized void close() {
        long closingEngine = engine;
        long closingDelegate = delegate;
        engine = 0;
        delegate = 0;
        if (closingEngine != 0) NativeLibrary.deleteEngine(closingEngine);
        if (closingDelegate != 0) NativeLibrary.deleteDelegate(closingDelegate);
    }

    private void requireOpen() {
        if (engine == 0) throw new IllegalStateException("the RepBnnInterpreter is closed, so make a new one");
    }

    private static void check(ByteBuffer[] buffers, Tensor[] tensors, String what) {
        if (buffers.length != tensors.length) {
            throw new RepBnnException(RepBnnException.Reason.BAD_SHAPE, "The network has " + tensors.length + " " + what
                    + "s and got " + buffers.length + " buffers, so give one each.");
        }
        for (int i = 0; i < buffers.length; i++) {
            int size = tensors[i].getByteCount();
            if (buffers[i] != null && buffers[i].isDirect() && buffers[i].capacity() == size) continue;
            throw new RepBnnException(RepBnnException.Reason.BAD_SHAPE, "The buffer of " + what + " " + i
                    + " must be direct and have " + size + " bytes, so make it with Tensor.allocate().");
        }
    }
}
