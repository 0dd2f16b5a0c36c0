package org.repbnn;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.json.JSONException;
import org.json.JSONObject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.tensorflow.lite.Interpreter;

/** TensorFlow Lite's own Java interface, its own library for Android's emulators and ours, in this JVM. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, manifest = Config.NONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public final class RealRuntimeTest {
    private static final int CLASSES = 10;
    private static final int SIDE = 32;

    private static ByteBuffer model() throws IOException {
        return Files.direct(Files.bytes("model.tflite"));
    }

    private static RepBnnInterpreter open() throws IOException {
        return new RepBnnInterpreter(model(), new RepBnnInterpreter.Options());
    }

    private static ByteBuffer noise(RepBnnInterpreter interpreter) {
        ByteBuffer input = interpreter.getInput(0).allocate();
        for (int i = 0; i < input.capacity() / 4; i++) input.putFloat(4 * i, (float) Math.sin(i * 0.37));
        return input;
    }

    private static float[] floats(ByteBuffer buffer) {
        float[] values = new float[buffer.capacity() / 4];
        for (int i = 0; i < values.length; i++) values[i] = buffer.getFloat(4 * i);
        return values;
    }

    @Test
    public void sameTop1AsPython() throws IOException, JSONException {
        JSONObject expected = new JSONObject(Files.text("top1.json"));
        int limit = Integer.getInteger("repbnn.pictures", expected.length());
        try (ImageClassifier classifier =
                        ImageClassifier.create(Files.of("model.tflite"), new ImageClassifier.Options());
                RepBnnDelegate delegate = new RepBnnDelegate();
                Interpreter theirs = new Interpreter(model(), new Interpreter.Options().addDelegate(delegate))) {
            float[][] scores = new float[1][CLASSES];
            int done = 0;
            for (Iterator<String> names = expected.keys(); names.hasNext() && done < limit; done++) {
                String name = names.next();
                Bitmap picture = BitmapFactory.decodeFile(Files.of("pictures/" + name).getPath());
                ImageClassifier.Result result = classifier.classify(picture);
                assertEquals(name, expected.getInt(name), result.getClassifications().get(0).getIndex());
                assertEquals(CLASSES, result.getClassifications().size());
                assertTrue(result.getMilliseconds() > 0);
                theirs.run(input(picture, classifier.getMetadata()), scores);
                assertEquals(name, expected.getInt(name), best(scores[0]));
            }
            assertEquals(limit, done);
        }
    }

    private static float[][][][] input(Bitmap picture, ModelMetadata metadata) {
        byte[] rgb = PictureScaler.pixels(picture, SIDE, SIDE);
        float[][][][] input = new float[1][SIDE][SIDE][3];
        for (int i = 0; i < rgb.length; i++) {
            int channel = i % 3;
            float value = (rgb[i] & 0xff) - metadata.getMean()[channel];
            input[0][i / 3 / SIDE][i / 3 % SIDE][channel] = value / metadata.getStd()[channel];
        }
        return input;
    }

    private static int best(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) if (scores[i] > scores[best]) best = i;
        return best;
    }

    @Test
    public void tensorFlowLitesInterpreterGivesTheSameNumbers() throws IOException {
        float[][] output = new float[1][CLASSES];
        float[] ours;
        ByteBuffer input;
        try (RepBnnInterpreter interpreter = open()) {
            input = noise(interpreter);
            ByteBuffer result = interpreter.getOutput(0).allocate();
            interpreter.run(input, result);
            ours = floats(result);
        }
        try (RepBnnDelegate delegate = new RepBnnDelegate();
                Interpreter interpreter = new Interpreter(model(), new Interpreter.Options().addDelegate(delegate))) {
            interpreter.run(input, output);
        }
        // XNNPACK cuts its work by its own number of threads: the stem may differ in the last bits.
        float largest = 0;
        for (float value : ours) largest = Math.max(largest, Math.abs(value));
        assertArrayEquals(ours, output[0], 1e-5f * largest);
    }

    @Test
    public void delegateClosedBeforeTheInterpreter() throws IOException {
        float[][] before = new float[1][CLASSES];
        float[][] after = new float[1][CLASSES];
        RepBnnDelegate delegate = new RepBnnDelegate();
        try (Interpreter interpreter = new Interpreter(model(), new Interpreter.Options().addDelegate(delegate))) {
            ByteBuffer input;
            try (RepBnnInterpreter shape = open()) {
                input = noise(shape);
            }
            interpreter.run(input, before);
            delegate.close();
            delegate.close();
            interpreter.run(input, after);
        }
        assertTrue(Arrays.equals(before[0], after[0]));
        try {
            delegate.getNativeHandle();
            fail("a closed delegate gave a handle");
        } catch (IllegalStateException expected) {
            assertTrue(expected.getMessage().contains("closed"));
        }
    }

    @Test
    public void unknownOptionsNameTheValidOnes() {
        try {
            new RepBnnDelegate(new RepBnnDelegate.Options().set("threads", "2")).close();
            fail("it was taken");
        } catch (RepBnnException expected) {
            assertEquals(RepBnnException.Reason.BAD_OPTION, expected.getReason());
            assertTrue(expected.getMessage(), expected.getMessage().contains("num_threads"));
        }
        try {
            new RepBnnDelegate(new RepBnnDelegate.Options().setImplementation("neon9")).close();
            fail("it was taken");
        } catch (RepBnnException expected) {
            assertTrue(expected.getMessage(), expected.getMessage().contains("neon9"));
        }
    }

    @Test
    public void closedInterpretersSaySo() throws IOException {
        RepBnnInterpreter interpreter = open();
        ByteBuffer input = noise(interpreter);
        ByteBuffer output = interpreter.getOutput(0).allocate();
        interpreter.close();
        interpreter.close();
        try {
            interpreter.run(input, output);
            fail("it ran");
        } catch (IllegalStateException expected) {
            assertTrue(expected.getMessage().contains("closed"));
        }
    }

    @Test
    public void secondThreadsWaitAndCloseWaits() throws IOException, InterruptedException, ExecutionException {
        final RepBnnInterpreter interpreter = open();
        final ByteBuffer input = noise(interpreter);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        List<Future<float[]>> results = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            results.add(threads.submit(new Callable<float[]>() {
                @Override
                public float[] call() {
                    ByteBuffer output = interpreter.getOutput(0).allocate();
                    interpreter.run(input, output);
                    return floats(output);
                }
            }));
        }
        float[] first = results.get(0).get();
        for (Future<float[]> result : results) assertTrue(Arrays.equals(first, result.get()));
        final boolean[] ended = {false};
        Future<Void> running = threads.submit(new Callable<Void>() {
            @Override
            public Void call() {
                interpreter.measure(1, 1, 0.5, 1, null);
                ended[0] = true;
                return null;
            }
        });
        Thread.sleep(300);
        interpreter.close();
        assertTrue("close came back before the run had ended", ended[0] || !running.isDone());
        running.get();
        threads.shutdown();
    }

    @Test
    public void wrongBuffersAreRefused() throws IOException {
        try (RepBnnInterpreter interpreter = open()) {
            ByteBuffer output = interpreter.getOutput(0).allocate();
            ByteBuffer[] wrong = {ByteBuffer.allocateDirect(8), ByteBuffer.allocate(12288), null};
            for (ByteBuffer buffer : wrong) {
                try {
                    interpreter.run(buffer, output);
                    fail("it ran");
                } catch (RepBnnException expected) {
                    assertEquals(RepBnnException.Reason.BAD_SHAPE, expected.getReason());
                }
            }
        }
    }

    @Test
    public void brokenAndPlainModels() throws IOException {
        byte[] whole = Files.bytes("model.tflite");
        ByteBuffer cut = Files.direct(Arrays.copyOf(whole, whole.length / 2));
        expect(RepBnnException.Reason.BAD_MODEL, cut);
        // The operator under another name is an operator of nobody.
        byte[] renamed = whole.clone();
        int at = new String(whole, "ISO-8859-1").indexOf("LceQuantize");
        System.arraycopy("LceQuantise".getBytes("US-ASCII"), 0, renamed, at, 11);
        RepBnnException refused = expect(RepBnnException.Reason.OPERATOR_REFUSED, Files.direct(renamed));
        assertTrue(refused.getMessage(), refused.getMessage().contains("Lce"));
        byte[] plain = whole.clone();
        at = new String(whole, "ISO-8859-1").indexOf("LceBconv2d");
        System.arraycopy("LceBconv9d".getBytes("US-ASCII"), 0, plain, at, 10);
        expect(RepBnnException.Reason.NOT_BINARY, Files.direct(plain));
    }

    private static RepBnnException expect(RepBnnException.Reason reason, ByteBuffer model) {
        try {
            new RepBnnInterpreter(model, new RepBnnInterpreter.Options()).close();
        } catch (RepBnnException expected) {
            assertEquals(expected.getMessage(), reason, expected.getReason());
            return expected;
        }
        throw new AssertionError("it was opened");
    }

    @Test
    public void measuresUntilItIsEnough() throws IOException {
        try (RepBnnInterpreter interpreter = open()) {
            Measurement measured = interpreter.measure(3, 20, 0.3, 5, null);
            assertTrue(measured.getMilliseconds().length >= 20);
            assertTrue(measured.getWarmupRuns() >= 3);
            assertTrue(measured.isRepeatable());
            double sum = 0;
            for (double run : measured.getMilliseconds()) sum += run;
            assertTrue("measured " + sum + " ms", sum > 100);
            final int[] told = {0};
            Measurement ended = interpreter.measure(0, 1000000, 60, 60, new Measurement.Progress() {
                @Override
                public boolean onProgress(int runs, double seconds) {
                    return ++told[0] < 2;
                }
            });
            assertEquals(2, told[0]);
            assertTrue(ended.getMilliseconds().length > 0);
        }
    }

    @Test
    public void aThousandCyclesKeepNoMemory() throws IOException {
        ByteBuffer model = model();
        cycles(model, 300);
        long grown = Long.MAX_VALUE;
        // A JVM's own memory grows now and then; what leaks, leaks each time.
        for (int round = 0; round < 3 && grown >= 1024; round++) {
            long before = residentKilobytes();
            cycles(model, 1000);
            grown = residentKilobytes() - before;
        }
        assertTrue("grown by " + grown + " KB each time", grown < 1024);
    }

    private static void cycles(ByteBuffer model, int count) {
        RepBnnDelegate.Options quiet = new RepBnnDelegate.Options().set("log_level", "error");
        RepBnnInterpreter.Options options = new RepBnnInterpreter.Options().setDelegateOptions(quiet);
        for (int i = 0; i < count; i++) new RepBnnInterpreter(model, options).close();
        System.gc();
    }

    private static long residentKilobytes() throws IOException {
        try (BufferedReader reader = new BufferedReader(new FileReader(new File("/proc/self/status")))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                if (line.startsWith("VmRSS:")) return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IOException("no VmRSS");
    }

    /** What the library does with a compressed asset: unpacked through a stream that does not know its length. */
    @Test
    public void aModelThatIsUnpackedRuns() throws IOException {
        final byte[] whole = Files.bytes("model.tflite");
        InputStream stream = new ByteArrayInputStream(whole) {
            @Override
            public synchronized int available() {
                return 0;
            }
        };
        ByteBuffer unpacked = ModelFile.read(stream);
        assertEquals(whole.length, unpacked.capacity());
        new RepBnnInterpreter(unpacked, new RepBnnInterpreter.Options()).close();
    }

    @Test
    public void everyAllocationMayFail() throws IOException {
        System.load(System.getProperty("repbnn.failing"));
        ByteBuffer model = model();
        RepBnnDelegate.Options quiet = new RepBnnDelegate.Options().set("log_level", "error");
        RepBnnInterpreter.Options options = new RepBnnInterpreter.Options().setDelegateOptions(quiet);
        new RepBnnInterpreter(model, options).close();
        int failed = 0;
        for (int which = 0; ; which += 1 + which / 40) {
            Allocations.failAt(which);
            try {
                new RepBnnInterpreter(model, options).close();
            } catch (OutOfMemoryError expected) {
                failed++;
            }
            if (Allocations.failAt(-1) >= 0) break; // all of it was allocated, and the failure still to come
        }
        assertTrue("only " + failed + " allocations failed", failed > 20);
        try (RepBnnInterpreter interpreter = open()) { // the process is as good as before
            ByteBuffer output = interpreter.getOutput(0).allocate();
            interpreter.run(noise(interpreter), output);
        }
    }

    @Test
    public void aMeasurementMayRunOutOfMemory() throws IOException {
        System.load(System.getProperty("repbnn.failing"));
        try (RepBnnInterpreter interpreter = open()) {
            for (int which = 0; which < 3; which++) {
                Allocations.failAt(which);
                try {
                    interpreter.measure(1, 3, 0, 1, null);
                    fail("allocation " + which);
                } catch (OutOfMemoryError expected) {
                    assertEquals(-1, Allocations.failAt(-1));
                }
            }
            assertTrue(interpreter.measure(1, 3, 0, 1, null).isRepeatable());
        }
    }

    @Test
    public void metadataIsTheFiles() throws IOException {
        try (RepBnnInterpreter interpreter = open()) {
            assertEquals("rep-recu-resnet20", interpreter.getMetadata().getName());
            assertFalse(interpreter.getRuntimeVersion().isEmpty());
            assertEquals(Tensor.Type.FLOAT32, interpreter.getInput(0).getType());
        }
    }
}
