package org.repbnn;

import java.io.DataInputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;

/** Files that Python made for the tests. */
final class Files {
    private Files() {}

    static File of(String name) {
        return new File(System.getProperty("repbnn.fixtures"), name);
    }

    static byte[] bytes(String name) throws IOException {
        byte[] bytes = new byte[(int) of(name).length()];
        try (DataInputStream stream = new DataInputStream(new FileInputStream(of(name)))) {
            stream.readFully(bytes);
        }
        return bytes;
    }

    static String text(String name) throws IOException {
        return new String(bytes(name), "UTF-8");
    }

    static ByteBuffer direct(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length);
        buffer.put(bytes);
        buffer.clear();
        return buffer;
    }
}
