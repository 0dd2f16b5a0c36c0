package org.repbnn.sample;

import android.content.Context;
import android.graphics.Bitmap;
import java.io.IOException;
import org.repbnn.ImageClassifier;
import org.repbnn.ModelMetadata;

/** A network that is loaded: what the screen needs of it, and so what a test puts in its place. */
interface Network extends AutoCloseable {
    /** Says what is in a picture. */
    ImageClassifier.Result classify(Bitmap picture);

    /** What its file says about itself. */
    ModelMetadata metadata();

    /** The runtime's version. */
    String runtimeVersion();

    /** The file's size. */
    long bytes();

    @Override
    void close();

    /** Opens networks by their asset's name. */
    interface Source {
        /** Opens one; an {@link IOException} where there is no such asset. */
        Network open(Context context, String asset) throws IOException;
    }
}
