package org.repbnn.sample;

import android.os.Looper;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.json.JSONException;
import org.json.JSONObject;
import org.robolectric.Shadows;

/** What tests share: files that Python made, and waiting for the worker. */
final class Fixtures {
    private Fixtures() {}

    static File model() {
        return new File(System.getProperty("repbnn.fixtures"), "model.tflite");
    }

    /** The class that Python's runtime sees in one of the examples. */
    static int top1(String picture) throws IOException, JSONException {
        File file = new File(System.getProperty("repbnn.fixtures"), "top1.json");
        return new JSONObject(new String(Files.readAllBytes(file.toPath()), "UTF-8")).getInt(picture);
    }

    static void keepReport(JSONObject report) throws IOException {
        File file = new File(System.getProperty("repbnn.fixtures"), "report.json");
        try (OutputStream stream = new FileOutputStream(file)) {
            stream.write(report.toString().getBytes("UTF-8"));
        }
    }

    /** Something that becomes true on the main thread. */
    interface Condition {
        boolean holds();
    }

    /** Runs what is posted to the main thread until the condition holds; fails after ten seconds. */
    static void await(Condition condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!condition.holds()) {
            if (System.nanoTime() > end) throw new AssertionError("it never came");
            Shadows.shadowOf(Looper.getMainLooper()).idle();
            Thread.yield();
        }
        Shadows.shadowOf(Looper.getMainLooper()).idle();
    }

    /** A repeat of steady runs, of which each call draws others; a phone that heats up where {@code drift} is not 0. */
    static double[] runs(double median, double drift, int count, long seed) {
        Random random = new Random(seed);
        double[] runs = new double[count];
        for (int i = 0; i < count; i++) {
            runs[i] = median * (1 + 0.004 * random.nextGaussian()) * (1 + drift * i / count);
        }
        return runs;
    }
}
