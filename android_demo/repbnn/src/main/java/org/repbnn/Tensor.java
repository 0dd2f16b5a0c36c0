package org.repbnn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** An input or output of a network: its name, type, shape. Immutable. */
public final class Tensor {
    /** The element types that networks have at their ends. */
    public enum Type {
        FLOAT32(4),
        UINT8(1),
        INT8(1),
        INT32(4),
        OTHER(1);

        final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }

        // TfLiteType's numbers.
        static Type of(int number) {
            switch (number) {
                case 1:
                    return FLOAT32;
                case 2:
                    return INT32;
                case 3:
                    return UINT8;
                case 9:
                    return INT8;
                default:
                    return OTHER;
            }
        }
    }

    private final String name;
    private final Type type;
    private final int[] shape;
    private final int byteCount;
    private final float scale;
    private final int zeroPoint;

    Tensor(String name, int[] layout, float[] quantization) {
        this.name = name;
        type = Type.of(layout[0]);
        byteCount = layout[1];
        shape = new int[layout.length - 2];
        System.arraycopy(layout, 2, shape, 0, shape.length);
        scale = quantization[0];
        zeroPoint = (int) quantization[1];
    }

    /** As the file names it. */
    public String getName() {
        return name;
    }

    /** Of one element. */
    public Type getType() {
        return type;
    }

    /** Dimensions, the batch first. */
    public int[] getShape() {
        return shape.clone();
    }

    /** All elements together. */
    public int getByteCount() {
        return byteCount;
    }

    /** {@code real = scale * (stored - zeroPoint)}; 0 where the numbers are not quantised. */
    public float getScale() {
        return scale;
    }

    /** See {@link #getScale}. */
    public int getZeroPoint() {
        return zeroPoint;
    }

    /** A direct buffer of the tensor's size, in the order of this machine. */
    public ByteBuffer allocate() {
        return ByteBuffer.allocateDirect(byteCount).order(ByteOrder.nativeOrder());
    }

    /** Stores {@code value} as element {@code index} of a buffer like {@link #allocate}'s, quantised where need be. */
    void put(ByteBuffer buffer, int index, float value) {
        switch (type) {
            case FLOAT32:
                buffer.putFloat(4 * index, value);
                break;
            case INT8:
                buffer.put(index, (byte) clamp(Math.round(value / scale) + zeroPoint, -128, 127));
                break;
            case UINT8:
                buffer.put(index, (byte) clamp(Math.round(value / scale) + zeroPoint, 0, 255));
                break;
            default:
                throw new IllegalStateException("a tensor of another type");
        }
    }

    /** Element {@code index} as a real number. */
    float get(ByteBuffer buffer, int index) {
        switch (type) {
            case FLOAT32:
                return buffer.getFloat(4 * index);
            case INT8:
                return scale * (buffer.get(index) - zeroPoint);
            case UINT8:
                return scale * ((buffer.get(index) & 0xff) - zeroPoint);
            default:
                throw new IllegalStateException("a tensor of another type");
        }
    }

    /** Whether {@link #put} and {@link #get} work. */
    boolean isNumeric() {
        return type == Type.FLOAT32 || ((type == Type.INT8 || type == Type.UINT8) && scale > 0);
    }

    private static int clamp(int value, int low, int high) {
        return Math.max(low, Math.min(high, value));
    }
}
