package org.repbnn;

import android.content.Context;
import android.graphics.Bitmap;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * Says what is in a picture. Size, preprocessing and class names come from the model's own file:
 *
 * <pre>{@code
 * try (ImageClassifier classifier = ImageClassifier.create(context, "model.tflite")) {
 *     ImageClassifier.Result result = classifier.classify(bitmap);
 * }
 * }</pre>
 *
 * <p>Threads: as {@link RepBnnInterpreter}: any thread, one call after the other, {@link #close} waits. A call takes
 * milliseconds: keep it off the main thread.
 */
public final class ImageClassifier implements AutoCloseable {
    /** How a classifier is made; every setter returns the options. */
    public static final class Options {
        private RepBnnInterpreter.Options interpreter = new RepBnnInterpreter.Options();
        private float[] mean;
        private float[] std;

        /** Threads, and what else the interpreter takes. */
        public Options setInterpreterOptions(RepBnnInterpreter.Options options) {
            interpreter = options.copy();
            return this;
        }

        /**
         * {@code (pixel - mean) / std} for pixels of 0..255, for files that do not say it themselves; a number a
         * channel, or one for all. What a file says wins.
         */
        public Options setNormalization(float[] mean, float[] std) {
            this.mean = mean.clone();
            this.std = std.clone();
            return this;
        }
    }

    /** What one picture came to. Immutable. */
    public static final class Result {
        private final List<Classification> classifications;
        private final double milliseconds;

        /** For this library, and for an app's tests. */
        public Result(List<Classification> classifications, double milliseconds) {
            this.classifications = Collections.unmodifiableList(new ArrayList<>(classifications));
            this.milliseconds = milliseconds;
        }

        /** Every class, the surest first. */
        public List<Classification> getClassifications() {
            return classifications;
        }

        /** What the network took; scaling the picture is not in it. */
        public double getMilliseconds() {
            return milliseconds;
        }
    }

    private static final int COLORS = 3;
    private static final int MAX_BYTE = 255;

    private final RepBnnInterpreter interpreter;
    private final Tensor input;
    private final Tensor output;
    private final ByteBuffer pixels;
    private final ByteBuffer scores;
    /** What each value of a channel becomes, so that a picture costs no division. */
    private final float[][] normalized;

    /** A model of the app's assets, with default options. */
    public static ImageClassifier create(Context context, String asset) throws IOException {
        return create(context, asset, new Options());
    }

    /**
     * A model of the app's assets.
     *
     * @throws IOException the asset is missing or cannot be read.
     * @throws RepBnnException as {@link #ImageClassifier} does.
     */
    public static ImageClassifier create(Context context, String asset, Options options) throws IOException {
        return of(RepBnnInterpreter.create(context, asset, options.interpreter), options);
    }

    /**
     * A model of a file.
     *
     * @throws IOException the file is missing or cannot be read.
     * @throws RepBnnException as {@link #ImageClassifier} does.
     */
    public static ImageClassifier create(File file, Options options) throws IOException {
        return of(RepBnnInterpreter.create(file, options.interpreter), options);
    }

    /** A model in memory; see {@link RepBnnInterpreter#RepBnnInterpreter(ByteBuffer, RepBnnInterpreter.Options)}. */
    public static ImageClassifier create(ByteBuffer model, Options options) {
        return of(new RepBnnInterpreter(model, options.interpreter), options);
    }

    private static ImageClassifier of(RepBnnInterpreter interpreter, Options options) {
        boolean done = false;
        try {
            ImageClassifier classifier = new ImageClassifier(interpreter, options);
            done = true;
            return classifier;
        } finally {
            if (!done) interpreter.close();
        }
    }

    /**
     * @throws RepBnnException what {@link RepBnnInterpreter} throws; {@code BAD_SHAPE}: the network does not take one
     *     picture and give one list of scores; {@code BAD_MODEL}: the file does not say its preprocessing and the
     *     options do not either.
     */
    private ImageClassifier(RepBnnInterpreter interpreter, Options options) {
        this.interpreter = interpreter;
        input = only(interpreter.getInputCount() == 1 ? interpreter.getInput(0) : null, "one picture");
        output = only(interpreter.getOutputCount() == 1 ? interpreter.getOutput(0) : null, "one list of scores");
        int[] shape = input.getShape();
        if (shape.length != 4 || shape[0] != 1 || (shape[3] != COLORS && shape[3] != 1)) only(null, "one picture");
        ModelMetadata metadata = interpreter.getMetadata();
        float[] mean = metadata.getMean() != null ? metadata.getMean() : options.mean;
        float[] std = metadata.getMean() != null ? metadata.getStd() : options.std;
        if (mean == null) {
            throw new RepBnnException(RepBnnException.Reason.BAD_MODEL, "The model does not say how pixels are"
                    + " normalised, so convert it with --mean and --std, or give Options.setNormalization.");
        }
        normalized = table(mean, std, shape[3]);
        pixels = input.allocate();
        scores = output.allocate();
    }

    private static Tensor only(Tensor tensor, String what) {
        if (tensor != null && tensor.isNumeric()) return tensor;
        throw new RepBnnException(RepBnnException.Reason.BAD_SHAPE,
                "The network does not take or give " + what + ", so run it with RepBnnInterpreter.");
    }

    private static float[][] table(float[] mean, float[] std, int channels) {
        if ((mean.length != 1 && mean.length != channels) || std.length != mean.length) {
            throw new RepBnnException(RepBnnException.Reason.BAD_OPTION,
                    "The normalisation has " + mean.length + " means and " + std.length + " deviations for " + channels
                            + " channels, so give one number a channel.");
        }
        float[][] table = new float[channels][MAX_BYTE + 1];
        for (int c = 0; c < channels; c++) {
            int from = mean.length == 1 ? 0 : c;
            for (int value = 0; value <= MAX_BYTE; value++) table[c][value] = (value - mean[from]) / std[from];
        }
        return table;
    }

    /**
     * Says what is in a picture of any size and configuration: its middle is taken, as networks are evaluated.
     *
     * @throws RepBnnException {@code BAD_PICTURE}: the bitmap is recycled; {@code RUN_FAILED}.
     * @throws IllegalStateException the classifier is closed.
     */
    public synchronized Result classify(Bitmap picture) {
        int[] shape = input.getShape();
        fill(PictureScaler.pixels(picture, shape[1], shape[2]), shape[3]);
        interpreter.run(pixels, scores);
        return new Result(ranked(probabilities()), interpreter.getLastMilliseconds());
    }

    private void fill(byte[] rgb, int channels) {
        int count = rgb.length / COLORS;
        for (int i = 0; i < count; i++) {
            int at = i * COLORS;
            if (channels == COLORS) {
                for (int c = 0; c < COLORS; c++) input.put(pixels, at + c, normalized[c][rgb[at + c] & 0xff]);
            } else {
                float sum = 0;
                for (int c = 0; c < COLORS; c++) sum += normalized[0][rgb[at + c] & 0xff];
                input.put(pixels, i, sum / COLORS);
            }
        }
    }

    private float[] probabilities() {
        int count = output.getByteCount() / output.getType().bytes;
        float[] values = new float[count];
        float largest = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            values[i] = output.get(scores, i);
            largest = Math.max(largest, values[i]);
        }
        if (interpreter.getMetadata().endsInSoftmax()) return values;
        double sum = 0;
        for (int i = 0; i < count; i++) sum += values[i] = (float) Math.exp(values[i] - largest);
        for (int i = 0; i < count; i++) values[i] /= (float) sum;
        return values;
    }

    private List<Classification> ranked(float[] probabilities) {
        List<String> labels = interpreter.getMetadata().getLabels();
        List<Classification> all = new ArrayList<>(probabilities.length);
        for (int i = 0; i < probabilities.length; i++) {
            all.add(new Classification(i, i < labels.size() ? labels.get(i) : "class " + i, probabilities[i]));
        }
        Collections.sort(all, SUREST_FIRST);
        return all;
    }

    private static final Comparator<Classification> SUREST_FIRST = new Comparator<Classification>() {
        @Override
        public int compare(Classification a, Classification b) {
            return Float.compare(b.getScore(), a.getScore());
        }
    };

    /** What the file says about itself. */
    public ModelMetadata getMetadata() {
        return interpreter.getMetadata();
    }

    /** The version of the TensorFlow Lite that runs it. */
    public String getRuntimeVersion() {
        return interpreter.getRuntimeVersion();
    }

    /** Frees everything, once the call that is going on has ended. A second call does nothing. */
    @Override
    public synchronized void close() {
        interpreter.close();
    }
}
