package org.repbnn;

import android.content.res.AssetFileDescriptor;
import android.content.res.AssetManager;
import android.util.Log;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;

/** A model's bytes as a direct buffer: mapped where it can be, else copied. */
final class ModelFile {
    private static final String TAG = "repbnn";
    private static final int CHUNK = 1 << 16;

    private ModelFile() {}

    static ByteBuffer ofAsset(AssetManager assets, String name) throws IOException {
        try (AssetFileDescriptor descriptor = assets.openFd(name);
                FileInputStream stream = descriptor.createInputStream()) {
            return stream.getChannel()
                    .map(FileChannel.MapMode.READ_ONLY, descriptor.getStartOffset(), descriptor.getDeclaredLength());
        } catch (FileNotFoundException compressed) {
            return unpacked(assets, name);
        }
    }

    static ByteBuffer ofFile(File file) throws IOException {
        try (FileInputStream stream = new FileInputStream(file)) {
            FileChannel channel = stream.getChannel();
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
        }
    }

    /** The same bytes, direct. */
    static ByteBuffer direct(ByteBuffer model) {
        ByteBuffer whole = model.duplicate();
        whole.clear();
        if (model.isDirect()) return whole;
        ByteBuffer copy = ByteBuffer.allocateDirect(whole.capacity()).order(ByteOrder.nativeOrder());
        copy.put(whole);
        copy.clear();
        return copy;
    }

    /** A compressed asset has no place in the APK that could be mapped. */
    private static ByteBuffer unpacked(AssetManager assets, String name) throws IOException {
        try (InputStream stream = assets.open(name)) { // a missing asset ends here, with its name
            Log.w(TAG, name + " is compressed in the APK and takes its whole size of memory, so add"
                    + " androidResources { noCompress 'tflite' } to build.gradle");
            return read(stream);
        }
    }

    static ByteBuffer read(InputStream stream) throws IOException {
        ByteBuffer whole = ByteBuffer.allocateDirect(Math.max(CHUNK, stream.available()));
        byte[] chunk = new byte[CHUNK];
        for (int got = stream.read(chunk); got >= 0; got = stream.read(chunk)) {
            if (whole.remaining() < got) whole = larger(whole, got);
            whole.put(chunk, 0, got);
        }
        whole.flip();
        return whole.slice();
    }

    private static ByteBuffer larger(ByteBuffer full, int more) {
        ByteBuffer next = ByteBuffer.allocateDirect(Math.max(2 * full.capacity(), full.position() + more));
        full.flip();
        next.put(full);
        return next;
    }
}
