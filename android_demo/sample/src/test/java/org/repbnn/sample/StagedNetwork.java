package org.repbnn.sample;

import android.content.Context;
import android.graphics.Bitmap;
import java.io.IOException;
import org.repbnn.ImageClassifier;
import org.repbnn.ModelMetadata;

/** The app's own networks, for pictures of it: what they see is real, their times are those that are given. */
final class StagedNetwork implements Network {
    private final Network real;
    private final double milliseconds;

    private StagedNetwork(Network real, double milliseconds) {
        this.real = real;
        this.milliseconds = milliseconds;
    }

    static Source source(final double model, final double twin) {
        return new Source() {
            @Override
            public Network open(Context context, String asset) throws IOException {
                double milliseconds = asset.equals(Session.MODEL) ? model : twin;
                return new StagedNetwork(ClassifierNetwork.SOURCE.open(context, asset), milliseconds);
            }
        };
    }

    @Override
    public ImageClassifier.Result classify(Bitmap picture) {
        return new ImageClassifier.Result(real.classify(picture).getClassifications(), milliseconds);
    }

    @Override
    public ModelMetadata metadata() {
        return real.metadata();
    }

    @Override
    public String runtimeVersion() {
        return real.runtimeVersion();
    }

    @Override
    public long bytes() {
        return real.bytes();
    }

    @Override
    public void close() {
        real.close();
    }
}
