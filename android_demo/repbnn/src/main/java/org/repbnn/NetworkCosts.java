package org.repbnn;

import java.util.HashMap;
import java.util.Map;

/**
 * Multiply-accumulates of a graph, as {@code repbnn-edge inspect} counts them: rows * columns * kernel * inputs *
 * outputs / groups, padding taps counted, convolutions and dense layers only.
 */
final class NetworkCosts {
    private static final int CONV_2D = 3;
    private static final int DEPTHWISE_CONV_2D = 4;
    private static final int FULLY_CONNECTED = 9;
    private static final int WORD = 32;

    private final FlatTable graph;
    private final String[] names;
    private final int[] codes;
    private final Map<Integer, FlatTable> producers = new HashMap<>();
    long binary;
    long full;

    // Operator: 0 index of its code, 1 inputs, 2 outputs. SubGraph: 0 tensors, 3 operators.
    NetworkCosts(FlatTable graph, String[] names, int[] codes) throws FlatTable.Broken {
        this.graph = graph;
        this.names = names;
        this.codes = codes;
        int count = graph.countAt(3);
        for (int i = 0; i < count; i++) {
            FlatTable operator = graph.itemAt(3, i);
            int[] outputs = operator.intsAt(2);
            if (outputs != null && outputs.length > 0) producers.put(outputs[0], operator);
        }
        for (int i = 0; i < count; i++) add(graph.itemAt(3, i));
    }

    private void add(FlatTable operator) throws FlatTable.Broken {
        int code = operator.intAt(0, 0);
        int[] inputs = operator.intsAt(1);
        int[] outputs = operator.intsAt(2);
        if (inputs == null || inputs.length < 2 || outputs == null || outputs.length == 0) return;
        if (ModelMetadata.BINARY_CONVOLUTION.equals(names[code])) {
            int[] filter = shape(inputs[1]);
            if (filter.length != 4) return;
            long depth = (long) WORD * filter[3];
            int channels = channels(inputs[0], 0);
            if (channels > 0) depth = Math.min(depth, channels);
            binary += product(filter, 3) * depth * area(outputs[0]);
        } else if (codes[code] == CONV_2D || codes[code] == DEPTHWISE_CONV_2D) {
            full += product(shape(inputs[1]), 4) * area(outputs[0]);
        } else if (codes[code] == FULLY_CONNECTED) {
            full += product(shape(inputs[1]), 2);
        }
    }

    /** Of a packed map, which stores words of 32: what packed it knows; 0 where it cannot be told. */
    private int channels(int tensor, int depth) throws FlatTable.Broken {
        FlatTable producer = producers.get(tensor);
        int[] inputs = producer == null ? null : producer.intsAt(1);
        if (inputs == null || inputs.length == 0 || depth > names.length + WORD) return 0;
        String name = names[producer.intAt(0, 0)];
        int[] shape = shape(inputs[0]);
        if ("LceQuantize".equals(name)) return shape.length == 0 ? 0 : shape[shape.length - 1];
        if ("LceBMaxPool2d".equals(name)) return channels(inputs[0], depth + 1);
        if (ModelMetadata.BINARY_CONVOLUTION.equals(name) && inputs.length > 1) {
            int[] filter = shape(inputs[1]);
            return filter.length == 0 ? 0 : filter[0];
        }
        return 0;
    }

    private long area(int tensor) throws FlatTable.Broken {
        int[] shape = shape(tensor);
        return shape.length == 4 ? (long) shape[1] * shape[2] : 0;
    }

    private int[] shape(int tensor) throws FlatTable.Broken {
        int[] shape = graph.itemAt(0, tensor).intsAt(0);
        return shape == null ? new int[0] : shape;
    }

    private static long product(int[] shape, int count) {
        long product = 1;
        for (int i = 0; i < Math.min(count, shape.length); i++) product *= shape[i];
        return product;
    }
}
