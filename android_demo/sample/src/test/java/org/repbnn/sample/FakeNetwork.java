package org.repbnn.sample;

import android.content.Context;
import android.graphics.Bitmap;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;
import org.repbnn.Classification;
import org.repbnn.ImageClassifier;
import org.repbnn.ModelMetadata;

/** Says what it is told to say, about the real file's metadata. */
final class FakeNetwork implements Network {
    static final String[] LABELS = {"airplane", "bird", "ship", "deer", "cat", "frog"};
    static final float[] SCORES = {0.874f, 0.081f, 0.024f, 0.013f, 0.006f, 0.002f};

    private final ModelMetadata metadata;
    private final long bytes;
    private final double[] milliseconds;
    Bitmap seen;
    Thread thread;
    int runs;
    boolean closed;
    Throwable failure;
    Runnable whileRunning;

    /** Its runs take these times, in turn. */
    FakeNetwork(double... milliseconds) throws IOException {
        try (FileInputStream stream = new FileInputStream(Fixtures.model())) {
            FileChannel channel = stream.getChannel();
            ByteBuffer whole = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
            metadata = ModelMetadata.read(whole);
            bytes = whole.capacity();
        }
        this.milliseconds = milliseconds;
    }

    /** Opens fakes: {@code model} for the network, {@code twin} (or null) for its twin. */
    static Source source(final FakeNetwork model, final FakeNetwork twin) {
        return new Source() {
            @Override
            public Network open(Context context, String asset) throws IOException {
                FakeNetwork wanted = asset.equals(Session.MODEL) ? model : twin;
                if (wanted == null) throw new FileNotFoundException(asset);
                return wanted;
            }
        };
    }

    /** Fails to open the network. */
    static Source failing(final Throwable failure) {
        return new Source() {
            @Override
            public Network open(Context context, String asset) throws IOException {
                if (failure instanceof IOException) throw (IOException) failure;
                if (failure instanceof Error) throw (Error) failure;
                throw (RuntimeException) failure;
            }
        };
    }

    @Override
    public ImageClassifier.Result classify(Bitmap picture) {
        seen = picture;
        thread = Thread.currentThread();
        if (whileRunning != null) whileRunning.run();
        if (failure instanceof Error) throw (Error) failure;
        if (failure != null) throw (RuntimeException) failure;
        if (closed) throw new IllegalStateException("closed");
        List<Classification> all = new ArrayList<>();
        for (int i = 0; i < LABELS.length; i++) all.add(new Classification(i, LABELS[i], SCORES[i]));
        return new ImageClassifier.Result(all, milliseconds[runs++ % milliseconds.length]);
    }

    @Override
    public ModelMetadata metadata() {
        return metadata;
    }

    @Override
    public String runtimeVersion() {
        return "2.16.1";
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void close() {
        closed = true;
    }
}
