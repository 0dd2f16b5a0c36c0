package org.repbnn.sample;

import android.content.Context;
import android.graphics.Bitmap;
import java.io.IOException;
import java.io.InputStream;
import org.repbnn.ImageClassifier;
import org.repbnn.ModelMetadata;
import org.repbnn.RepBnnInterpreter;

/** The real thing: the library's classifier on a model of the assets. */
final class ClassifierNetwork implements Network {
    private final ImageClassifier classifier;
    private final long bytes;

    private ClassifierNetwork(ImageClassifier classifier, long bytes) {
        this.classifier = classifier;
        this.bytes = bytes;
    }

    /** A twin without binary layers is welcome: that is what it is compared with. */
    static final Source SOURCE = new Source() {
        @Override
        public Network open(Context context, String asset) throws IOException {
            long bytes;
            try (InputStream stream = context.getAssets().open(asset)) {
                bytes = stream.available();
            }
            RepBnnInterpreter.Options plain = new RepBnnInterpreter.Options().allowPlainModels(true);
            ImageClassifier.Options options = new ImageClassifier.Options().setInterpreterOptions(plain);
            return new ClassifierNetwork(ImageClassifier.create(context, asset, options), bytes);
        }
    };

    @Override
    public ImageClassifier.Result classify(Bitmap picture) {
        return classifier.classify(picture);
    }

    @Override
    public ModelMetadata metadata() {
        return classifier.getMetadata();
    }

    @Override
    public String runtimeVersion() {
        return classifier.getRuntimeVersion();
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void close() {
        classifier.close();
    }
}
